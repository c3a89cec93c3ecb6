"""Alerts can be acknowledged with a note, with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.alerts.steps import as_operator, heat, live, opened
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_operator_acknowledges_with_a_note_and_every_open_page_updates(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    watching = live(open_page(calm.url))
    page = live(as_operator(open_page("about:blank"), calm.url))
    page.evaluate("window.marker = 'the same page'")
    heat(driver, 1)
    expect(watching.get_by_role("region", name="Alert")).to_be_visible()
    assert watching.get_by_role("button", name="Acknowledge").count() == 0
    page.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    expect(dialog).to_contain_text("GPU 1")
    dialog.get_by_label("Note").fill("The fan is on order")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog).to_be_hidden()
    for each in (page, watching):
        expect(each.get_by_role("region", name="Alert")).to_be_hidden()
        expect(each.locator("#alerts-count")).to_have_text("1")
        expect(each.get_by_role("link", name="Alerts")).to_have_accessible_name("Alerts 1: 1 critical, acknowledged")
        expect(each.locator(".chip", has_text="Hot")).to_be_visible()
    assert page.evaluate("window.marker") == "the same page"
    page.keyboard.press("a")
    expect(page.locator("#open-alerts article")).to_contain_text("acknowledged by operator")
    expect(page.locator("#open-alerts article")).to_contain_text("Note: The fan is on order")


def test_dialog_shows_why_an_acknowledgement_is_refused(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(as_operator(open_page("about:blank", expecting=["status of 409"]), calm.url))
    heat(driver, 1)
    page.get_by_role("button", name="Acknowledge").click()
    alert = calm.json("/api/alerts")["alerts"][0]["id"]
    calm.sql("UPDATE monitor_alertevent SET acknowledged_at = datetime('now') WHERE id = ?", alert.replace("-", ""))
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Already acknowledged")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


def test_unfinished_note_is_not_carried_over_to_another_alert(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(as_operator(open_page("about:blank"), calm.url, "/alerts"))
    heat(driver, 0, 1)
    buttons = page.locator("#open-alerts").get_by_role("button", name="Acknowledge")
    expect(buttons).to_have_count(2)
    dialog = page.get_by_role("dialog", name="Acknowledge")
    for place, note in ((0, ""), (1, ""), (1, "The fan of GPU 1")):
        buttons.nth(place).click()
        expect(dialog.get_by_label("Note")).to_have_value(note)
        dialog.get_by_label("Note").fill(f"The fan of GPU {place}")
        dialog.get_by_role("button", name="Cancel").click()


def test_note_with_line_breaks_can_be_as_long_as_the_form_allows(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    """Browsers submit a line break as two characters, and the server once counted both."""
    page = live(as_operator(open_page("about:blank"), calm.url))
    heat(driver, 1)
    page.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_label("Note").fill("The fan\n" * 124 + "is ours.")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog).to_be_hidden()


def test_page_in_place_of_an_answer_does_not_count_as_acknowledgement(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    """An expired login redirects to the login page, which has status 200."""
    page = live(as_operator(open_page("about:blank"), calm.url))
    heat(driver, 1)
    page.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_label("Note").fill("The fan is on order")
    page.route("**/acknowledge", lambda route: route.fulfill(status=302, headers={"Location": "/login"}))
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Log in again in another tab")
    expect(dialog.get_by_label("Note")).to_have_value("The fan is on order")


def test_escape_closes_the_dialog_and_stays_on_the_page(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(as_operator(open_page("about:blank"), calm.url, "/alerts"))
    heat(driver, 1)
    page.locator("#open-alerts").get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.url == f"{calm.url}/alerts"


def test_alert_is_acknowledged_without_javascript(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    heat(driver, 1)
    opened(calm)
    page = as_operator(open_page("about:blank", java_script_enabled=False), calm.url, "/?layout=tiles")
    button = page.get_by_role("button", name="Acknowledge")
    expect(button).to_be_visible()
    html = page.content()
    assert html.index('<form id="acknowledge"') < html.index('form="acknowledge"')  # else an early click does nothing
    with page.expect_response(f"{calm.url}/?layout=tiles") as answer:  # back to the same address
        button.click()
    assert answer.value.request.redirected_from is not None
    wait_for(lambda: calm.json("/api/alerts")["alerts"][0]["acknowledged_by"] == "operator", "it to be acknowledged")
    page.reload()
    assert page.get_by_role("button", name="Acknowledge").count() == 0


def test_note_is_added_without_javascript_on_the_page_of_the_event(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    heat(driver, 1)
    alert = opened(calm)
    page = as_operator(open_page("about:blank", java_script_enabled=False), calm.url, f"/alerts/{alert}")
    page.get_by_label("Note (optional)", exact=True).fill("Known")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("main")).to_contain_text("Acknowledged by operator")
    expect(page.get_by_role("main")).to_contain_text("Known")
