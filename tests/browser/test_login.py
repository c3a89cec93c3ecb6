"""Login and logout in Chromium: redirects to the login and back, the header, and sessions that end elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious_in_both_themes
from tests.browser.serving import start
from tests.support.pages import PHONES, WIDTHS, OpenPage, log_in, too_wide, until
from tests.support.people import make_people
from tests.support.servers import Server, password_hash

pytestmark = [pytest.mark.browser, pytest.mark.slow]
REFUSED = r"WebSocket connection to .* failed|^htmx: htmx:ws:error|status of (401|429)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which everyone must log in."""
    server = start(tmp_path_factory.mktemp("site"), telemetry_provider="simulated", auth="login")
    make_people(server)
    yield server
    server.stop()


def test_person_is_sent_to_the_login_and_back_and_logs_out(site: Server, open_page: OpenPage) -> None:
    page = open_page(f"{site.url}/?layout=tiles", expecting=[REFUSED])
    expect(page).to_have_title("Log in · gpumon")
    log_in(page, "viewer")
    expect(page).to_have_url(f"{site.url}/?layout=tiles")
    until(page, "document.querySelector('[data-page]').dataset.state === 'live'")
    expect(page.get_by_role("link", name="Logged in as viewer")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{site.url}/login")
    page.goto(f"{site.url}/alerts")
    expect(page).to_have_url(re.compile(r"/login\?next=/alerts$"))


def test_login_page_says_who_is_already_logged_in(site: Server, open_page: OpenPage) -> None:
    """The page once denied access to a page that the user had not requested."""
    page = open_page(f"{site.url}/login")
    log_in(page, "viewer")
    expect(page.get_by_role("link", name="Logged in as viewer")).to_be_visible()
    page.goto(f"{site.url}/login")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("^You are logged in as viewer. If you were sent here"))


def test_wrong_password_is_explained_and_further_attempts_are_throttled(site: Server, open_page: OpenPage) -> None:
    page = open_page(f"{site.url}/login", expecting=[REFUSED])
    for _ in range(5):
        log_in(page, "nobody", "wrong")
        expect(page.get_by_role("alert")).to_contain_text("Wrong username or password")
    log_in(page, "nobody", "wrong")
    expect(page.get_by_role("alert")).to_have_text("Too many wrong passwords. Try again in 3 minutes.")


def test_open_page_goes_to_the_login_when_its_session_ends_elsewhere(site: Server, open_page: OpenPage) -> None:
    page = open_page(f"{site.url}/alerts", expecting=[REFUSED])
    log_in(page, "operator")
    until(page, "document.querySelector('[data-page]').dataset.state === 'live'")
    site.sql("UPDATE auth_user SET password = ? WHERE username = 'operator'", password_hash("another staple"))
    expect(page).to_have_url(re.compile(r"/login\?next=/alerts$"))


def test_htmx_request_after_the_login_has_expired_leads_to_the_login_page(site: Server, open_page: OpenPage) -> None:
    page = open_page(f"{site.url}/alerts", expecting=[REFUSED])
    log_in(page, "viewer")
    until(page, "document.querySelector('[data-page]').dataset.state === 'live'")
    page.keyboard.press("Space")  # without a socket, only the request finds out
    page.context.clear_cookies()
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"/login\?next=/alerts"))


def test_account_pages_have_no_serious_accessibility_violations(site: Server, open_page: OpenPage) -> None:
    page = open_page(f"{site.url}/login", expecting=[r"status of 404"])
    found = {"login": serious_in_both_themes(page)}
    assert too_wide(page, PHONES) == []
    log_in(page, "viewer", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    found["wrong"] = serious_in_both_themes(page)
    log_in(page, "viewer")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    found["dashboard"] = serious_in_both_themes(page)
    for path in ("account/password", "setup/nothing"):
        page.goto(f"{site.url}/{path}")
        found[path] = serious_in_both_themes(page)
        assert too_wide(page, PHONES) == [], path
    assert {where: what for where, what in found.items() if what} == {}


def test_header_fits_name_and_button_at_every_width(site: Server, open_page: OpenPage) -> None:
    page = open_page(f"{site.url}/", user="administrator")
    expect(page.get_by_role("button", name="Log out")).to_be_attached()
    assert too_wide(page, (*WIDTHS, 1000)) == []
