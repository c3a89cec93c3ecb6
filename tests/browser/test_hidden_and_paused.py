"""A hidden page costs the server nothing; a paused page does not change."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import OpenPage, until
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HIDING = """
let isHidden = IS_HIDDEN;
Object.defineProperty(document, "hidden", { get: () => isHidden });
Object.defineProperty(document, "visibilityState", { get: () => (isHidden ? "hidden" : "visible") });
window.hide = (next) => {
  isHidden = next;
  document.dispatchEvent(new Event("visibilitychange"));
};
"""
VISIBLE, HIDDEN = HIDING.replace("IS_HIDDEN", "false"), HIDING.replace("IS_HIDDEN", "true")

Clients = Callable[[Server], int]


@pytest.fixture
def alone(demo: Server, clients: Clients) -> Server:
    """The server, once the pages of other tests have gone."""
    wait_for(lambda: clients(demo) == 0, "other pages to leave")
    return demo


def live(page: Page) -> None:
    expect(page.locator("[data-connection]")).to_have_text("Live")


def test_hidden_tab_closes_its_socket_and_refills_when_it_is_shown(
    alone: Server, clients: Clients, open_page: OpenPage
) -> None:
    page = open_page(alone.url, init=VISIBLE)
    live(page)
    assert clients(alone) == 1
    page.evaluate("hide(true)")
    wait_for(lambda: clients(alone) == 0, "the socket to close")
    missed: set[float] = set()
    wait_for(lambda: missed.add(alone.json("/api/snapshot")["sampled_at"]) or len(missed) > 3, "readings it misses")
    page.evaluate("hide(false)")
    live(page)
    until(page, f"{sorted(missed)}.every((at) => plots[0].data[0].some((time) => Math.abs(time - at) < 0.002))")


def test_page_opened_in_the_background_connects_when_it_is_shown(
    alone: Server, clients: Clients, open_page: OpenPage
) -> None:
    page = open_page(alone.url, init=HIDDEN)
    opened = "Boolean(document.querySelector('[data-socket]')._htmx?.ws?.connection)"
    wait_for(lambda: page.evaluate(opened), "the socket's start")
    wait_for(lambda: clients(alone) == 0, "the socket to close")
    page.evaluate("hide(false)")
    live(page)
    assert clients(alone) == 1


@pytest.mark.parametrize("by", ["the space bar", "the button"])
def test_paused_page_stands_still_and_resumes(alone: Server, clients: Clients, open_page: OpenPage, by: str) -> None:
    page = open_page(alone.url)
    live(page)
    button = page.get_by_role("button", name="Pause")

    def toggle() -> None:
        if by == "the button":
            button.click()
        else:
            page.keyboard.press("Space")

    toggle()
    badge = page.locator("[data-connection]")
    expect(badge).to_have_text(re.compile(r"^Paused, \d+\ss$"))
    expect(button).to_have_attribute("aria-pressed", "true")
    wait_for(lambda: clients(alone) == 0, "the socket to close")
    shown = page.locator("main").inner_text()
    expect(badge).to_have_text(re.compile(r"^Paused, [2-9]\ss$"))
    assert page.locator("main").inner_text() == shown
    assert clients(alone) == 0
    toggle()
    live(page)
    expect(button).to_have_attribute("aria-pressed", "false")
    assert clients(alone) == 1
    wait_for(lambda: page.locator("main").inner_text() != shown, "values to go on")


def test_paused_page_stays_paused_after_it_was_hidden(alone: Server, clients: Clients, open_page: OpenPage) -> None:
    page = open_page(alone.url, init=VISIBLE)
    live(page)
    page.keyboard.press("Space")
    wait_for(lambda: clients(alone) == 0, "the socket to close")
    page.evaluate("hide(true); hide(false)")
    expect(page.locator("[data-connection]")).to_have_text(re.compile(r"^Paused, [2-9]\ss$"))
    assert clients(alone) == 0
