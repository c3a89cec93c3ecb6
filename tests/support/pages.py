"""Chromium and its pages. A page that logs or throws an error, or violates its content policy, fails its test."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, expect

from tests.support.chromium import chromium
from tests.support.people import PASSWORD, submit
from tests.support.servers import wait_for

TIMEOUT_MS = 40_000
expect.set_options(timeout=TIMEOUT_MS)
# Runs in each page before its own scripts: logs violations of the policy as errors, and keeps the charts.
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
NO_SERVER = (
    r"WebSocket connection to .* failed|^htmx: htmx:(ws:)?error|^Failed to load resource: .*/ws/dashboard"
    r"|net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE)"
)
"""Errors that Chromium and htmx log while the server stops or is down, for tests that stop it."""
NOT_FOUND = r"the server responded with a status of 404"
PHONES = (320, 390)
"""Widths in pixels: the narrowest phone in use, and a common one."""
WIDTHS = (*PHONES, 500, 640, 768, 1440, 2560)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Not for the whole session: Playwright's event loop disturbs tests that run their own."""
    try:
        with chromium() as browser:
            yield browser
    except FileNotFoundError as error:
        pytest.skip(str(error))  # a skip, which counts as failed if CI is set


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(address)`: a page in a new context. `expecting`: patterns of errors that the test causes on purpose.
    `user`: logged in as this one.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(url: str, *, expecting: Sequence[str] = (), init: str = "", user: str = "", **settings: Any) -> Page:
        # Motion costs more processor time than all else that a page does, and only one test looks at it.
        usual = {"viewport": {"width": 1440, "height": 1000}, "reduced_motion": "reduce"}
        context = browser.new_context(**{**usual, **settings})
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        if user:
            context.add_cookies(cookies_of(url, user))
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
    assert problems == [], problems


def cookies_of(url: str, user: str) -> Sequence[SetCookieParam]:
    """The cookies of a login on the site of this address. The user has logged in once: a login takes half a second."""
    return _cookies("{0.scheme}://{0.netloc}".format(urlsplit(url)), user)


@functools.cache
def _cookies(site: str, user: str) -> Sequence[SetCookieParam]:
    browser = requests.Session()
    answer = submit(browser, f"{site}/login", username=user, password=PASSWORD)
    assert answer.status_code == 302, answer.text
    return [{"name": each.name, "value": each.value or "", "url": site} for each in browser.cookies]


def log_in(page: Page, name: str = "root", password: str = PASSWORD) -> None:
    """Fill in the login page, by default for the user that `Server.make_superuser` makes."""
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def too_wide(page: Page, widths: Iterable[int] = ()) -> list[int]:
    """The widths, by default the window's own, at which the page scrolls sideways."""
    found = []
    for width in widths or [page.evaluate("innerWidth")]:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(width)
    return found


def box_of(locator: Locator) -> FloatRect:
    """Where an element is."""
    box = locator.bounding_box()
    assert box is not None, f"{locator} is not visible"
    return box


def until(page: Page, condition: str) -> None:
    """Wait until the expression is true in the page. (Playwright's own wait_for_function needs eval, which the policy forbids.)"""
    wait_for(lambda: page.evaluate(condition), f"the page: {condition}")
