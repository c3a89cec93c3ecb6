"""A read-only link in Chromium: from page to page, live, until it is revoked while a page is open."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.serving import start
from tests.support.pages import PHONES, OpenPage, too_wide, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ENDED = r"WebSocket connection to .* failed|^htmx: htmx:(ws:)?error|status of (403|410)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where everyone must log in."""
    server = start(tmp_path_factory.mktemp("server"), telemetry_provider="simulated", simulated_gpus=2, auth="login")
    yield server
    server.stop()


def test_link_leads_from_page_to_page_until_it_is_revoked(server: Server, open_page: OpenPage) -> None:
    link = server.manage("link", "create", "colleague").strip()
    page = open_page(link, expecting=[ENDED])
    expect(page.locator("[data-connection]")).to_have_text("Live")
    expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_text(
        ["Dashboard", "History", re.compile("Alerts")]
    )
    page.locator("[data-gpu-link='1']").click()
    page.wait_for_url(f"{link}gpu/**")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    until(page, "plots.length > 0 && plots[0].data[0].length > 1")
    server.manage("link", "revoke", "colleague")
    expect(page.get_by_role("main")).to_contain_text("The link has been revoked.")


def test_address_of_a_link_fits_a_phone(server: Server, open_page: OpenPage) -> None:
    server.make_superuser()
    server.manage("link", "create", "wall screen")
    page = open_page(f"{server.url}/admin/monitor/viewlink/", user="root")
    page.get_by_role("link", name="wall screen").click()
    expect(page.locator("[data-link-address]")).to_be_visible()
    assert too_wide(page, PHONES) == []
