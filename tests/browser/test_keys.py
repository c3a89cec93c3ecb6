"""The keyboard, and the theme."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import OpenPage
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SURFACE = "getComputedStyle(document.body).backgroundColor"
# Notes the theme in force when the body first exists, which is before the first paint.
FIRST = """
new MutationObserver((_, observer) => {
  if (!document.body) return;
  window.firstTheme = document.documentElement.dataset.theme ?? null;
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture
def page(demo: Server, open_page: OpenPage) -> Page:
    page = open_page(demo.url, init=FIRST, color_scheme="dark")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


def test_question_mark_opens_the_help_and_escape_closes_it(page: Page) -> None:
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_).to_be_visible()
    page.keyboard.press("t")  # the page under the help cannot be focused
    assert "layout" not in page.url
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(help_).to_be_visible()
    help_.get_by_role("button", name="Close").click()
    expect(help_).to_be_hidden()


def test_slash_focuses_the_filter_and_escape_leaves_it(page: Page) -> None:
    page.keyboard.press("/")
    box = page.get_by_role("searchbox")
    expect(box).to_be_focused()
    expect(box).to_have_value("")
    page.keyboard.press("Escape")
    expect(box).not_to_be_focused()


def test_digit_focuses_that_gpu_and_enter_opens_it(page: Page) -> None:
    page.keyboard.press("5")
    assert page.evaluate("document.activeElement.dataset.gpuLink") == "5"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/gpu/"))
    expect(page.locator(".page-head .gpu-index")).to_have_text("5")


def test_escape_on_the_page_of_a_gpu_returns_to_the_dashboard(page: Page) -> None:
    page.get_by_role("article").first.get_by_role("link").first.click()
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_count(8)


def test_key_t_switches_between_cards_and_tiles(page: Page) -> None:
    page.keyboard.press("t")
    expect(page.locator("a.tile")).to_have_count(8)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.keyboard.press("t")
    expect(page.get_by_role("article")).to_have_count(8)


def test_no_shortcut_works_while_typing(page: Page) -> None:
    box = page.get_by_role("searchbox")
    box.focus()
    before = page.evaluate(SURFACE)
    page.keyboard.type("td?/5 a")
    expect(box).to_have_value("td?/5 a")
    assert page.evaluate(SURFACE) == before
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.get_by_role("button", name="Pause").get_attribute("aria-pressed") == "false"
    assert "layout" not in page.url


def test_keys_with_control_or_alt_are_left_to_the_browser(page: Page) -> None:
    before = page.evaluate(SURFACE)
    page.keyboard.press("Control+d")
    page.keyboard.press("Alt+t")
    assert page.evaluate(SURFACE) == before
    assert "layout" not in page.url


def test_key_that_is_held_down_acts_once(page: Page) -> None:
    dark = page.evaluate(SURFACE)
    page.keyboard.down("d")
    light = page.evaluate(SURFACE)
    for _ in range(3):
        page.keyboard.down("d")  # repeats
    page.keyboard.up("d")
    assert page.evaluate(SURFACE) == light != dark


def test_keys_can_be_turned_off_for_speech_input(page: Page) -> None:
    page.keyboard.press("?")
    page.get_by_label("On (turn off for speech input)").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    before = page.evaluate(SURFACE)
    for key in ("d", "t", "a", "5", "Space", "?"):
        page.keyboard.press(key)
    assert page.evaluate(SURFACE) == before
    assert "layout" not in page.url
    assert "/alerts" not in page.url
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_label("On (turn off for speech input)")).not_to_be_checked()


def test_space_on_a_button_presses_it_and_does_not_pause(page: Page) -> None:
    page.get_by_role("button", name="Keyboard shortcuts").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.locator("[data-pause]").get_attribute("aria-pressed") == "false"


def test_theme_follows_the_system_until_one_is_chosen(page: Page) -> None:
    dark = page.evaluate(SURFACE)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(SURFACE)
    assert light != dark
    page.keyboard.press("d")
    assert page.evaluate(SURFACE) == dark
    page.emulate_media(color_scheme="dark")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(SURFACE) == dark


def test_chosen_theme_is_remembered_and_applied_before_the_first_paint(page: Page) -> None:
    dark = page.evaluate(SURFACE)
    assert page.evaluate("firstTheme") is None
    page.get_by_role("button", name="Switch between dark and light").click()
    light = page.evaluate(SURFACE)
    assert light != dark
    page.reload()
    assert page.evaluate("firstTheme") == "light"
    assert page.evaluate(SURFACE) == light


def test_tab_reaches_every_control_and_the_focus_is_visible(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    seen = []
    for _ in range(6):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "(({ outlineStyle, outlineWidth }) => outlineStyle + outlineWidth)(getComputedStyle(document.activeElement))"
            )
        )
    assert all(re.match(r"^(solid|auto)[1-9]", outline) for outline in seen), seen
