"""A page whose socket does not come finds out why, and names no cause before."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.support.pages import OpenPage, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CLOSE = "document.querySelector('[data-socket]').dispatchEvent(new CustomEvent('htmx:ws:close', { detail: { reason: 'closed' } }))"
REFUSED = r"status of 4\d\d"


def without_sockets(page: Page) -> None:
    def refuse(route: WebSocketRoute) -> None:
        route.close(code=1011)

    page.route_web_socket("**/ws/**", refuse)


def test_page_says_that_a_proxy_in_between_hands_on_no_sockets(demo: Server, open_page: OpenPage) -> None:
    page = open_page("about:blank", expecting=[REFUSED])
    without_sockets(page)
    page.goto(demo.url)
    badge = page.locator("[data-connection]")
    expect(badge).to_have_text(re.compile("^Reconnecting"))
    words = "Pages come, the socket does not: a proxy in between does not forward WebSockets."
    expect(badge).to_have_attribute("title", words, timeout=15_000)


@pytest.mark.parametrize("status", [302, 401])
def test_open_page_goes_to_the_login_of_a_proxy(demo: Server, open_page: OpenPage, status: int) -> None:
    page = open_page(demo.url, expecting=[REFUSED])
    until(page, "document.querySelector('[data-page]').dataset.state === 'live'")

    def log_in(route: Route) -> None:
        route.fulfill(status=status, headers={"Location": "http://sso.example/"} if status == 302 else {})

    page.route("**/ws/dashboard*", log_in)
    with page.expect_event("domcontentloaded"):
        page.evaluate(f"setInterval(() => {CLOSE}, 200)")  # a message of the real socket ends the question


def test_html_of_a_proxy_is_no_reason(demo: Server, open_page: OpenPage) -> None:
    page = open_page("about:blank", expecting=[REFUSED])
    without_sockets(page)
    page.route("**/ws/dashboard*", lambda route: route.fulfill(status=403, body="<html>blocked</html>"))
    page.goto(demo.url)
    words = "A proxy in between refuses the socket (status 403)"
    expect(page.locator("[data-connection]")).to_have_attribute("title", words, timeout=15_000)
