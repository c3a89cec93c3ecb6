"""Every admin page in Chromium under the strict content policy, with its calendars, searches and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.serving import start
from tests.support.hostile import fill_database
from tests.support.pages import OpenPage, log_in
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Rows in every table, and the administrator `root`."""
    server = start(tmp_path_factory.mktemp("filled"), telemetry_provider="simulated", poll_interval_ms=500)
    try:
        fill_database(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def admin(filled: Server, open_page: OpenPage) -> Page:
    """The admin's first page, after login."""
    page = open_page(f"{filled.url}/admin/login/?next=/admin/")
    log_in(page, password="correct horse")
    page.wait_for_url("**/admin/")
    return page


def links(page: Page, pattern: str) -> list[str]:
    """The addresses that a page links to, without duplicates."""
    found: list[str] = page.evaluate("[...document.links].map((link) => link.pathname)")
    return [path for path in dict.fromkeys(found) if re.fullmatch(pattern, path)]


def test_every_admin_page_keeps_the_policy(filled: Server, admin: Page) -> None:
    """Lists with search and filters, add and change forms, histories, delete confirmations, the password page."""
    seen: set[str] = set()
    admin.on("response", lambda answer: seen.add(answer.url) if answer.request.resource_type == "document" else None)
    lists = links(admin, r"/admin/\w+/\w+/")
    assert len(lists) > 5
    for path in [*lists, "/admin/auth/", "/admin/monitor/", "/admin/password_change/"]:
        admin.goto(filled.url + path)
        for further in [
            *links(admin, re.escape(path) + r"add/")[:1],
            *links(admin, re.escape(path) + r"[^/]+/change/")[:1],
        ]:
            admin.goto(filled.url + further)
            for end in ("history/", "delete/"):
                for last in links(admin, re.escape(further.removesuffix("change/")) + end)[:1]:
                    admin.goto(filled.url + last)
    assert len(seen) > 30
    # The fixture fails the test for each violation that Chromium reports.


def test_form_widgets_work_under_the_policy(filled: Server, admin: Page) -> None:
    """The widgets that Django draws by script: calendars and clocks, the two lists of permissions, warnings of unsaved changes."""
    admin.goto(f"{filled.url}/admin/auth/user/1/change/")
    admin.locator(".selector-available select").first.wait_for()
    admin.goto(f"{filled.url}/admin/monitor/alertrule/add/")
    admin.locator(".datetimeshortcuts a").first.click()
    assert admin.locator(".calendarbox, .clockbox").first.count() == 1
    admin.get_by_label("Name", exact=False).first.fill("a rule")
    admin.goto(f"{filled.url}/admin/monitor/channel/?q=x")
    admin.goto(f"{filled.url}/admin/monitor/alertrule/?all=")
    admin.locator("#action-toggle").check()
    assert admin.locator("tr.selected").count() > 1
