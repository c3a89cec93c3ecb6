"""`make screenshots`: screenshots of every page for docs/screenshots/, with simulated GPUs in a real Chromium."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser

from tests.fleet.demo import fleet
from tests.support.chromium import chromium
from tests.support.servers import ROOT, Server, wait_for

FOLDER = ROOT / "docs" / "screenshots"
FILL_SECONDS = 62
"""Long enough for a sparkline to fill its minute."""
SILENT_SECONDS = 20
"""Until the host of the demo that ends counts as down."""
_GPU = "/gpu/GPU-51e0cade-0002-4000-8000-000000000002"


def shoot(browser: Browser, name: str, url: str, *, width: int = 1440, theme: str = "dark", seconds: float = 2) -> None:
    """Take a screenshot of the whole page."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    page.goto(url)
    page.wait_for_timeout(seconds * 1000)
    # The whole page is in view: the browser leaves the rest undrawn (content-visibility), and so do the charts.
    page.set_viewport_size({"width": width, "height": page.evaluate("document.documentElement.scrollHeight")})
    page.wait_for_timeout(1500)
    page.screenshot(path=str(FOLDER / f"{name}.png"), full_page=True)
    page.close()
    print(f"docs/screenshots/{name}.png")


def main() -> None:
    """Start the servers, let the charts fill, and take the screenshots."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {}
        for name, settings in {
            "eight": {"telemetry_provider": "simulated", "poll_interval_ms": 500},
            "many": {"telemetry_provider": "simulated", "simulated_gpus": 64},
            "none": {"telemetry_provider": "nvtop"},
        }.items():
            (folder / name).mkdir()
            servers[name] = Server(folder / name, {"PATH": "/nonexistent"}, **settings)
            if name == "eight":
                servers[name].manage("shell", "-c", "from tests.support.past_day import fill; fill()")
            servers[name].start()
            stack.callback(servers[name].stop)
        wait_for(lambda: servers["eight"].get("/api/health")[0] == 200, "readings")
        browser = stack.enter_context(chromium())
        eight = servers["eight"].url
        shoot(browser, "dashboard", eight, seconds=FILL_SECONDS)
        shoot(browser, "dashboard-light", eight, theme="light")
        shoot(browser, "dashboard-phone", eight, width=500)
        shoot(browser, "gpu", f"{eight}{_GPU}?range=24h")
        shoot(browser, "history", f"{eight}/history?metric=temperature_celsius&range=24h")
        shoot(browser, "usage", f"{eight}/usage?range=24h")
        shoot(browser, "tiles", servers["many"].url)
        shoot(browser, "empty", servers["none"].url)
        (folder / "fleet").mkdir()
        hub = stack.enter_context(fleet(folder / "fleet"))
        shoot(browser, "hosts", hub.url, seconds=SILENT_SECONDS)


if __name__ == "__main__":
    main()
