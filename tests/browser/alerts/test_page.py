"""The alerts page: open alerts come and go, the history updates and can be filtered, and the page is accessible."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests.browser.alerts.steps import as_operator, heat, live, opened
from tests.browser.axe import serious_in_both_themes
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, too_wide
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MANY = """
from datetime import UTC, datetime, timedelta
from monitor.models import AlertEvent
at = datetime(2026, 1, 1, tzinfo=UTC)
for place in range(60):
    AlertEvent.objects.create(rule_name="Old", severity="info", state="resolved", host="h", pid=place, summary=f"Old {place}",
                              started_at=at, fired_at=at + timedelta(minutes=place), resolved_at=at + timedelta(hours=2))
"""


def fired_and_resolved(server: Server, driver: FakeDriver) -> None:
    """An alert in the history."""
    heat(driver, 1)
    opened(server)
    driver.set({"gpu.1.temperature": 50})
    wait_for(lambda: server.json("/api/alerts?state=resolved")["history"], "the end to be written")


def test_key_a_opens_the_alerts_page_where_open_alerts_come_and_go(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(calm.url))
    page.keyboard.press("a")
    expect(page).to_have_url(f"{calm.url}/alerts")
    live(page)
    expect(page.get_by_text("No open alerts.")).to_be_visible()
    heat(driver, 0, 1)
    rows = page.locator("#open-alerts article")
    expect(rows).to_have_count(2)
    expect(page.locator("#open-count")).to_have_text("2 critical")
    # They stand there once; the history below updates without a reload when they are over.
    expect(page.locator("#history article").filter(has_text="still firing")).to_have_count(0)
    driver.set({"gpu.0.temperature": 50, "gpu.1.temperature": 50})
    expect(rows).to_have_count(0)
    expect(page.locator("#history article").first).to_contain_text(re.compile(r"resolved \d\d:\d\d:\d\d.* after"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{calm.url}/")


def test_history_is_filtered_without_javascript_and_the_address_keeps_the_filter(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    fired_and_resolved(calm, driver)
    page = open_page(f"{calm.url}/alerts", java_script_enabled=False)
    history = page.locator("#history")
    history.get_by_label("Severity").select_option("critical")
    history.get_by_label("Search").fill("reached")
    history.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"severity=critical.*q=reached"))
    expect(history.get_by_label("Search")).to_have_value("reached")
    expect(history.get_by_role("heading", level=3).first).to_contain_text(re.compile(r"\d{4} \d+ alerts?"))
    history.get_by_label("Search").fill("no such word")
    history.get_by_role("button", name="Filter").click()
    expect(history).to_contain_text("No alerts match.")
    history.get_by_role("link", name="Show all").click()
    expect(history.locator("article").first).to_be_visible()
    history.locator("article").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Rule at the time")).to_be_visible()


def test_history_is_filtered_and_paged_without_a_reload_and_back_returns(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    calm.manage("shell", "-c", MANY)
    page = live(open_page(f"{calm.url}/alerts"))
    page.evaluate("window.marker = 'the same page'")
    history = page.locator("#history")
    history.get_by_label("Severity").select_option("info")
    history.get_by_role("button", name="Filter").press("Enter")
    expect(page).to_have_url(re.compile(r"severity=info.*#history$"))
    expect(history.locator("article")).to_have_count(50)
    expect(history.get_by_label("Severity")).to_have_value("info")
    expect(history.get_by_role("button", name="Filter")).to_be_focused()
    history.get_by_role("link", name="Older").click()
    expect(history.locator("article")).to_have_count(10)
    expect(page).to_have_url(re.compile("before="))
    page.go_back()
    expect(history.locator("article")).to_have_count(50)
    expect(history.get_by_label("Severity")).to_have_value("info")
    # An update caused by an alert keeps the filter and unfinished input.
    search = history.get_by_label("Search")
    search.fill("half a wo")
    with page.expect_response(re.compile("severity=info")):
        heat(driver, 1)
        opened(calm)
    expect(search).to_have_value("half a wo")
    expect(search).to_be_focused()
    assert page.evaluate("window.marker") == "the same page"


def test_failed_filter_shows_an_error_and_keeps_the_history(calm: Server, open_page: OpenPage) -> None:
    page = live(open_page(f"{calm.url}/alerts", expecting=["status of 500", "Failed to (fetch|load)"]))
    page.route(
        "**/alerts?*", lambda route: route.fulfill(status=500, content_type="text/html", body="<!doctype html>No")
    )
    button = page.locator("#history").get_by_role("button", name="Filter")
    button.click()
    expect(page.get_by_role("alert").filter(has_text="status 500")).to_be_visible()
    page.unroute("**/alerts?*")
    page.route("**/alerts?*", lambda route: route.abort())
    button.click()
    expect(page.get_by_role("alert").filter(has_text="does not respond")).to_be_visible()
    page.unroute("**/alerts?*")
    button.click()
    expect(page).to_have_url(re.compile("severity="))
    expect(page.get_by_role("alert").filter(has_text="does not respond")).to_have_count(0)


def test_history_is_in_the_time_zone_of_its_viewer(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    """The times were once in the viewer's time zone, under days in UTC."""
    fired_and_resolved(calm, driver)
    heat(driver, 1)
    opened(calm)
    page = live(open_page(f"{calm.url}/alerts", timezone_id="Asia/Tokyo"))
    page.reload()  # with the cookie that names the zone
    row = page.locator("#history article").first.locator("time").first
    utc = datetime.strptime(row.get_attribute("title") or "", "%d %b %Y, %H:%M:%S UTC").replace(tzinfo=UTC)
    tokyo = utc.astimezone(ZoneInfo("Asia/Tokyo"))
    expect(row).to_have_text(re.compile(f"{tokyo:%H:%M:%S}$"))
    expect(page.locator("#history .day").first).to_contain_text(f"{tokyo.day} {tokyo:%B %Y}")
    expect(page.locator("#open-alerts time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    # Regression: what htmx had replaced kept the server's form, with the name of the zone.
    page.locator("#history-acknowledged").select_option("no")
    page.locator("#history").get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("acknowledged=no"))
    expect(page.locator("#history article").first.locator("time").first).to_have_text(re.compile(r"\d\d:\d\d:\d\d$"))


def test_history_catches_up_as_soon_as_a_locked_database_answers(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    """The history once showed a resolved alert as firing until another alert changed."""
    heat(driver, 1)
    opened(calm)
    page = live(open_page(f"{calm.url}/alerts"))
    last = page.locator("#history article").first
    locking = sqlite3.connect(calm.data_dir / "gpumon.sqlite3", isolation_level=None, timeout=40)
    try:
        locking.execute("BEGIN IMMEDIATE")
        driver.set({"gpu.1.temperature": 50})
        expect(page.locator("#open-alerts article")).to_have_count(0)
        expect(page.locator("#history")).to_contain_text("Saving recent changes")
        expect(last).to_contain_text("still firing")
        locking.execute("ROLLBACK")
    finally:
        locking.close()
    expect(last).to_contain_text(re.compile(r"resolved \d\d:\d\d:\d\d after"))
    expect(page.locator("#history")).not_to_contain_text("Saving recent changes")


def test_axe_finds_nothing_serious_and_no_page_scrolls_sideways(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    heat(driver, 0, 1)
    alert = opened(calm)
    uuid = calm.json("/api/snapshot")["gpus"][1]["uuid"]
    page = as_operator(open_page("about:blank"), calm.url, "/alerts")
    for path in ("/alerts", "/?layout=tiles", f"/gpu/{uuid}", f"/alerts/{alert}", "/"):
        page.goto(calm.url + path)
        expect(page.get_by_role("button", name="Acknowledge").first).to_be_visible()
        assert too_wide(page, (320, 2560, 1440)) == [], path
        assert serious_in_both_themes(page) == [], path
        assert too_wide(page, (390,)) == [], path
        assert serious_in_both_themes(page) == [], path
    page.get_by_role("button", name="Acknowledge").first.click()
    assert serious_in_both_themes(page) == []
    assert too_wide(page, (320, 390, 1440, 2560)) == []


def test_printed_page_has_no_button(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(as_operator(open_page("about:blank"), calm.url, "/alerts"))
    heat(driver, 1)
    expect(page.locator("#open-alerts article")).to_have_count(1)
    page.emulate_media(media="print")
    assert page.get_by_role("main").get_by_role("button").count() == 0
