"""A page of another site in Chromium: the frame, badge and script of docs/home-pages.md, with the named origin and with another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hostile_site import HostileSite
from tests.browser.serving import start
from tests.support.pages import OpenPage, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DOCUMENT = (Path(__file__).parents[2] / "docs" / "home-pages.md").read_text()
REFUSED = r"frame-ancestors|ERR_BLOCKED_BY_RESPONSE|blocked by CORS policy|ERR_FAILED|chrome-error:"
"""What Chromium logs where a site is not named."""


@pytest.fixture(scope="module")
def site() -> Iterator[HostileSite]:
    """Another site, as localhost: to a browser, 127.0.0.1 is another site, to which it sends no cookies."""
    site = HostileSite()
    yield site
    site.close()


@pytest.fixture(scope="module")
def ours(site: HostileSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    named = f"http://localhost:{site.port}"
    server = start(
        tmp_path_factory.mktemp("ours"), telemetry_provider="simulated", cors_origins=named, frame_ancestors=named
    )
    frame, script = re.findall(r"^    (<iframe .*>|const answer = .*)$", DOCUMENT, re.MULTILINE)
    body = f"""<!doctype html><title>home</title>{frame}
      <iframe id="others" src="https://gpu.example.com/"></iframe>
      <img id="badge" alt="" src="https://gpu.example.com/badge/free.svg">
      <script>async function ask(token) {{ {script}; return (await answer.json()).gpus.length; }}</script>"""
    site.html = (
        body.replace("https://gpu.example.com", server.url)
        .replace("{ Authorization: `Bearer ${token}` }", "{}")
        .encode()
    )
    yield server
    server.stop()


def home(open_page: OpenPage, site: HostileSite, host: str) -> Page:
    return open_page(f"http://{host}:{site.port}/", expecting=[REFUSED])


def test_named_site_frames_the_live_wall_screen_and_no_other_page(
    ours: Server, site: HostileSite, open_page: OpenPage
) -> None:
    page = home(open_page, site, "localhost")
    frame = page.frame_locator("iframe[title='GPUs']")
    expect(frame.locator("[data-connection]")).to_have_text("Live")
    assert page.frame_locator("#others").locator(".topbar").count() == 0
    # Only that page may be framed: a link replaces the whole page.
    frame.get_by_role("link", name="Alerts").click()
    page.wait_for_url(f"{ours.url}/alerts")


def test_named_site_reads_the_api(ours: Server, site: HostileSite, open_page: OpenPage) -> None:
    assert home(open_page, site, "localhost").evaluate("ask()") == len(ours.json("/api/snapshot")["gpus"])


def test_other_site_frames_and_reads_nothing_but_shows_badges(
    ours: Server, site: HostileSite, open_page: OpenPage
) -> None:
    page = home(open_page, site, "127.0.0.1")
    until(page, "document.getElementById('badge').naturalWidth === 260")
    assert page.evaluate("ask().then(() => 'read', () => 'refused')") == "refused"
    for frame in ("iframe[title='GPUs']", "#others"):
        assert page.frame_locator(frame).locator(".topbar").count() == 0
    assert not any(ours.health()["clients"].values())
