"""Real Chromium on real servers. A page that writes an error, throws one or breaks its content policy fails its test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.fakes.fake_driver import FakeDriver
from tests.support.chromium import chromium
from tests.support.servers import Server, wait_for

TIMEOUT_MS = 20_000
expect.set_options(timeout=TIMEOUT_MS)
# Runs in each page before its own scripts: tells violations of the policy as errors, and keeps the charts at hand.
WATCH = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`the policy forbids ${event.violatedDirective} ${event.blockedURI}`);
});
window.plots = [];
let made;
Object.defineProperty(window, "uPlot", {
  configurable: true,
  get: () => made,
  set(uPlot) {
    made = new Proxy(uPlot, {
      construct(target, given) {
        const plot = new target(...given);
        plots.push(plot);
        return plot;
      },
    });
  },
});
"""
NO_SERVER = r"WebSocket connection to .* failed|^htmx: htmx:ws:error"
"""What Chromium and htmx write where a server is not there, for tests that take it away."""
NOT_FOUND = r"the server responded with a status of 404"
PHONES = (320, 390)
"""Widths in pixels: the narrowest phone in use, and a common one."""
WIDTHS = (*PHONES, 500, 768, 1440, 2560)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Not for the whole session: Playwright's event loop would be in the way of tests that run their own."""
    try:
        with chromium() as browser:
            yield browser
    except FileNotFoundError as error:
        pytest.skip(str(error))  # which counts as failed where CI is set


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(address)`: a page in a fresh context. `expecting`: patterns of errors that the test itself brings about."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(url: str, *, expecting: Sequence[str] = (), init: str = "", **settings: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **settings})
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(WATCH)
        if init:
            context.add_init_script(init)

        def note(text: str) -> None:
            if not any(re.search(pattern, text) for pattern in expecting):
                problems.append(text)

        page = context.new_page()
        page.on("console", lambda said: note(f"{said.text} ({said.location['url']})") if said.type == "error" else None)
        page.on("pageerror", lambda error: note(f"{error.name}: {error.message}"))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


def start(folder: Path, driver: FakeDriver | None = None, **settings: object) -> Server:
    """A server that answers with readings; with a driver nothing else must be found on the machine."""
    environment = {**driver.env, "PATH": "/nonexistent"} if driver else {}
    given = {"poll_interval_ms": 100, "ws_max_rate_hz": 30, "sampler_timeout_ms": 500, **settings}
    server = Server(folder, environment, **given).start()
    wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
    return server


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Eight simulated GPUs whose values change all the time, five times a second."""
    server = start(tmp_path_factory.mktemp("demo"), telemetry_provider="simulated", poll_interval_ms=200)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def driver(fake_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeDriver]:
    """The fake driver that `host` reads: its values change only when a test says so."""
    driver = FakeDriver(fake_library, tmp_path_factory.mktemp("driver"))
    driver.set(gpus=2)
    yield driver
    driver.scenario("")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, driver: FakeDriver) -> Iterator[Server]:
    """Two GPUs by the fake driver, ten readings a second."""
    server = start(tmp_path_factory.mktemp("host"), driver)
    yield server
    server.stop()


@pytest.fixture
def fresh_host(host: Server, driver: FakeDriver) -> Iterator[Server]:
    """The same after a test has had its way with the driver."""
    yield host
    driver.scenario("gpus = 2")
    wait_for(lambda: host.get("/api/health")[0] == 200, "readings to return")


def log_in(page: Page, name: str = "root", password: str = "correct horse battery") -> None:
    """On the page that takes passwords; without more it is who `Server.make_superuser` makes."""
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def too_wide(page: Page, widths: Iterable[int] = ()) -> list[int]:
    """The widths of the window, of those asked for or else its own, at which the page scrolls sideways."""
    found = []
    for width in widths or [page.evaluate("innerWidth")]:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(width)
    return found


def until(page: Page, condition: str) -> None:
    """Wait until the expression holds in the page. (Playwright's own wait_for_function needs eval, which the policy forbids.)"""
    wait_for(lambda: page.evaluate(condition), f"the page: {condition}")


@pytest.fixture
def clients() -> Callable[[Server], int]:
    """How many pages are connected to a server."""
    return lambda server: int(server.health()["clients"].get("dashboard", 0))
