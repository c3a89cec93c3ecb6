"""Accessibility and layout: the pages work at every width, zoomed, printed, on a wall screen, without motion."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import serious_in_both_themes
from tests.browser.focus import hidden_outlines
from tests.support.pages import NOT_FOUND, PHONES, WIDTHS, OpenPage, too_wide, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATHS = {
    "cards": "/",
    "tiles": "/?layout=tiles",
    "GPU page": "/gpu/{uuid}",
    "history": "/history",
    "alerts": "/alerts",
    "not found": "/gpu/GPU-nowhere",
}


def opened(demo: Server, open_page: OpenPage, name: str, query: str = "", **settings: Any) -> Page:
    uuid = demo.json("/api/snapshot")["gpus"][7]["uuid"]  # in MIG mode
    page = open_page(demo.url + PATHS[name].format(uuid=uuid) + query, expecting=[NOT_FOUND], **settings)
    if name == "not found":  # it opens no socket: it is ready once its scripts show the controls that need them
        expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_visible()
    else:
        expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


@pytest.mark.parametrize("name", PATHS)
def test_axe_finds_nothing_serious_and_the_focus_is_visible(demo: Server, open_page: OpenPage, name: str) -> None:
    page = opened(demo, open_page, name)
    if name in ("cards", "GPU page"):
        until(page, "plots.length > 0")
    assert serious_in_both_themes(page) == []
    assert hidden_outlines(page) == [], "once the names of cards, on which the focus could not be seen"


@pytest.mark.parametrize("name", ["cards", "tiles"])
def test_axe_finds_nothing_serious_in_stale_readings_and_the_help(demo: Server, open_page: OpenPage, name: str) -> None:
    page = opened(demo, open_page, name)
    page.keyboard.press("Space")
    page.evaluate("document.querySelector('[data-page]').dataset.state = 'reconnecting'")
    assert serious_in_both_themes(page) == []
    page.keyboard.press("?")
    assert serious_in_both_themes(page) == []


@pytest.mark.parametrize("name", PATHS)
def test_no_page_scrolls_sideways_in_any_font(demo: Server, open_page: OpenPage, name: str) -> None:
    """A window of 1280 pixels at a zoom of 200 % is one of 640. The layout once fitted only some fonts."""
    page = opened(demo, open_page, name, bypass_csp=True)
    assert too_wide(page, WIDTHS) == []
    page.add_style_tag(content="* { letter-spacing: .5px !important; font-weight: 700 !important }")
    assert too_wide(page, WIDTHS) == []


def test_browser_tests_use_the_widest_font_on_every_machine(demo: Server, open_page: OpenPage) -> None:
    """With a narrower font, a page that is too wide on other machines once passed."""
    page = opened(demo, open_page, "GPU page")
    browser = page.context.new_cdp_session(page)
    browser.send("DOM.enable")
    browser.send("CSS.enable")
    root = browser.send("DOM.getDocument")["root"]["nodeId"]
    found = {}
    for selector in (".page-head h1", ".nav a", ".page-head code", "tbody .command"):
        node = browser.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        used = browser.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        found[selector] = {font["familyName"] for font in used}
    assert found == {
        ".page-head h1": {"DejaVu Sans"},
        ".nav a": {"DejaVu Sans"},
        ".page-head code": {"DejaVu Sans Mono"},
        "tbody .command": {"DejaVu Sans Mono"},
    }


@pytest.mark.parametrize("width", [390, 1440])
def test_header_covers_no_target_of_a_link(demo: Server, open_page: OpenPage, width: int) -> None:
    page = opened(demo, open_page, "cards", "#processes", viewport={"width": width, "height": 500})
    until(page, "scrollY > 0")
    title = page.get_by_role("heading", name="Processes").bounding_box()
    header = page.get_by_role("banner").bounding_box()
    assert title is not None
    assert header is not None
    assert title["y"] >= header["y"] + header["height"]


@pytest.mark.parametrize("width", PHONES)
def test_process_has_two_lines_on_a_phone(demo: Server, open_page: OpenPage, width: int) -> None:
    """The command once was outside the screen."""
    page = opened(demo, open_page, "cards", viewport={"width": width, "height": 800})
    assert page.evaluate(
        "(({ scrollWidth, clientWidth }) => scrollWidth === clientWidth)(document.querySelector('.scroll'))"
    )
    row = page.locator("#processes tbody tr").first
    row.scroll_into_view_if_needed()
    whole, user, gpu, command, memory = row.evaluate(
        "(row) => [row, ...['user', 'place', 'command', 'memory'].map((each) => row.querySelector(`.${each}`))]"
        ".map((each) => each.getBoundingClientRect().toJSON())"
    )
    assert user["y"] == gpu["y"] == memory["y"] < command["y"]
    assert command["width"] > 0.85 * whole["width"] - 10
    assert memory["right"] <= width


@pytest.mark.parametrize(("motion", "count"), [("reduce", 0), ("no-preference", 1)])
def test_nothing_moves_under_reduced_motion(demo: Server, open_page: OpenPage, motion: str, count: int) -> None:
    page = opened(demo, open_page, "cards", reduced_motion=motion)
    assert page.evaluate("document.getAnimations().length") == count


def test_wall_screen_has_no_navigation(demo: Server, open_page: OpenPage) -> None:
    page = opened(demo, open_page, "cards", "?kiosk=1", viewport={"width": 2560, "height": 1440})
    assert page.get_by_role("navigation").count() == 0
    assert page.get_by_role("button").count() == 0
    assert page.get_by_role("searchbox").count() == 0
    assert page.get_by_role("article").count() == 8
    expect(page.locator("[data-connection]")).to_be_visible()


@pytest.mark.parametrize("name", ["cards", "GPU page"])
def test_printed_page_is_dark_on_white_without_controls(demo: Server, open_page: OpenPage, name: str) -> None:
    page = opened(demo, open_page, name, color_scheme="dark")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    text = page.evaluate("getComputedStyle(document.body).color")
    assert sum(int(part) for part in text.removeprefix("rgb(").removesuffix(")").split(",")) < 200
    panel = page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor")
    assert panel == "rgb(255, 255, 255)"
    assert page.get_by_role("button").count() == 0
    assert page.get_by_role("navigation").count() == 0


def test_landmarks_and_headings_structure_the_page(demo: Server, open_page: OpenPage) -> None:
    page = opened(demo, open_page, "cards")
    for role in ("banner", "main", "navigation", "search"):
        assert page.get_by_role(role).count() == 1, role  # type: ignore[arg-type]
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("columnheader").count() == 10
    live_regions = ":is([aria-live], [role=status], [role=alert]):not([hidden], [hidden] *)"
    assert page.evaluate(f"document.querySelectorAll('{live_regions}').length") <= 3
