"""A page of another site in Chromium: the frame, badge and script of docs/home-pages.md, with the named origin and with another.
The server requires a login, and browsers send no cookies to another site: a read-only link and a token stand in for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hostile_site import HostileSite
from tests.browser.serving import start
from tests.support.pages import OpenPage, until
from tests.support.people import Made, make_people
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DOCUMENT = (Path(__file__).parents[2] / "docs" / "home-pages.md").read_text()
FRAME, SCRIPT = re.findall(r"^    (<iframe .*>|const answer = .*)$", DOCUMENT, re.MULTILINE)
REFUSED = (
    r"frame-ancestors|ERR_BLOCKED_BY_RESPONSE|blocked by CORS policy|ERR_FAILED|chrome-error:|status of 4(01|03|10)"
)
"""What Chromium logs where something is refused."""


@pytest.fixture(scope="module")
def site() -> Iterator[HostileSite]:
    """To a browser, localhost and 127.0.0.1 are different sites."""
    site = HostileSite()
    yield site
    site.close()


@pytest.fixture(scope="module")
def ours(site: HostileSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    named = f"http://localhost:{site.port}"
    server = start(
        tmp_path_factory.mktemp("ours"),
        telemetry_provider="simulated",
        auth="login",
        cors_origins=named,
        frame_ancestors=named,
    )
    yield server
    server.stop()


@pytest.fixture(scope="module")
def made(ours: Server) -> Made:
    return make_people(ours)


@pytest.fixture
def home(ours: Server, site: HostileSite, open_page: OpenPage) -> HomePage:
    return HomePage(ours, site, open_page)


class HomePage:
    """A home page with the snippets of the documentation."""

    def __init__(self, ours: Server, site: HostileSite, open_page: OpenPage) -> None:
        self._ours = ours
        self._site = site
        self._open_page = open_page

    def open(self, host: str, *, link: str = "/") -> Page:
        """`host`: localhost is the named one. `link`: the path of a read-only link."""
        below = f"https://gpu.example.com{link}"
        page = f"""<!doctype html><title>home</title>{FRAME.replace("https://gpu.example.com/", below)}
          <iframe id="others" src="{below}free"></iframe>
          <img id="badge" alt="" src="{below}badge/free.svg">
          <script>async function ask(token) {{ {SCRIPT}; return (await answer.json()).gpus.length; }}</script>"""
        self._site.html = page.replace("https://gpu.example.com", self._ours.url).encode()
        return self._open_page(f"http://{host}:{self._site.port}/", expecting=[REFUSED])


def test_named_site_frames_the_live_wall_screen_and_no_other_page(home: HomePage, ours: Server, made: Made) -> None:
    page = home.open("localhost", link=made.link)
    frame = page.frame_locator("iframe[title='GPUs']")
    expect(frame.locator("[data-connection]")).to_have_text("Live")
    assert page.frame_locator("#others").locator(".topbar").count() == 0
    until(page, "document.getElementById('badge').naturalWidth === 260")
    # Only that page may be framed: a link replaces the whole page.
    frame.get_by_role("link", name="Alerts").click()
    page.wait_for_url(f"{ours.url}{made.link}alerts")


def test_frame_says_what_is_missing(home: HomePage, ours: Server) -> None:
    """In a frame, the browser would show its own error in place of the login page, and of that of a revoked link."""
    page = home.open("localhost")
    frame = page.frame_locator("iframe[title='GPUs']")
    expect(frame.get_by_role("heading")).to_have_text("A login is required")
    until(page, "document.getElementById('badge').naturalWidth === 200")  # "log in to see"
    link = ours.manage("link", "create", "gone").strip().removeprefix(ours.url)
    ours.manage("link", "revoke", "gone")
    page = home.open("localhost", link=link)
    expect(page.frame_locator("iframe[title='GPUs']").locator("main")).to_contain_text("The link has been revoked.")
    until(page, "document.getElementById('badge').naturalWidth === 200")  # "link revoked"


def test_named_site_reads_the_api_with_a_token(home: HomePage, ours: Server, made: Made) -> None:
    page = home.open("localhost")
    assert page.evaluate("(token) => ask(token)", made.tokens["read"]) == 8
    # Also why it was refused, and not only that there was an error of the network.
    refused = "(async () => (await (await fetch(address)).json()).error)()"
    assert "Log in, or send a token" in page.evaluate(f"(address) => {refused}", f"{ours.url}/api/snapshot")


def test_other_site_frames_and_reads_nothing_but_shows_badges(home: HomePage, made: Made) -> None:
    page = home.open("127.0.0.1", link=made.link)
    until(page, "document.getElementById('badge').naturalWidth === 260")
    asked = page.evaluate("(token) => ask(token).then(() => 'read', () => 'refused')", made.tokens["read"])
    assert asked == "refused"
    for frame in ("iframe[title='GPUs']", "#others"):
        assert page.frame_locator(frame).locator("main").count() == 0
