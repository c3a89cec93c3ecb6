"""Alerts are acknowledged with a note, with JavaScript and without."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.alerts.steps import as_operator, heat, live, opened
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_who_may_acknowledges_with_a_note_and_every_open_page_is_quiet(
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
        expect(each.get_by_role("link", name="Alerts")).to_have_accessible_name("Alerts, 1 critical, acknowledged")
        expect(each.locator(".chip", has_text="Hot")).to_be_visible()
    assert page.evaluate("window.marker") == "the same page"
    page.keyboard.press("a")
    expect(page.locator("#open-alerts article")).to_contain_text("acknowledged by operator")
    expect(page.locator("#history article").first).to_contain_text("Note: The fan is on order")


def test_a_refusal_is_told_in_the_dialog(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(as_operator(open_page("about:blank", expecting=["status of 409"]), calm.url))
    heat(driver, 1)
    page.get_by_role("button", name="Acknowledge").click()
    alert = calm.json("/api/alerts")["alerts"][0]["id"]
    calm.manage(
        "shell",
        "-c",
        "from django.utils import timezone; from monitor.models import *; "
        f"AlertEvent.objects.filter(pk='{alert}').update(acknowledged_at=timezone.now())",
    )
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Already acknowledged")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


def test_a_note_that_was_begun_of_another_alert_is_not_taken_over(
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


def test_a_note_of_many_lines_has_as_much_room_as_the_form_says(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    """Forms send the end of a line as two characters, and the server counted both."""
    page = live(as_operator(open_page("about:blank"), calm.url))
    heat(driver, 1)
    page.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_label("Note").fill("The fan\n" * 124 + "is ours.")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog).to_be_hidden()


def test_a_page_in_place_of_an_answer_is_no_acknowledgement(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    """A login that has ended leads to the login page, which comes with status 200."""
    page = live(as_operator(open_page("about:blank"), calm.url))
    heat(driver, 1)
    page.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_label("Note").fill("The fan is on order")
    page.route("**/acknowledge", lambda route: route.fulfill(status=302, headers={"Location": "/login"}))
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Log in again in another tab")
    expect(dialog.get_by_label("Note")).to_have_value("The fan is on order")


def test_escape_closes_the_dialog_and_leaves_the_page(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(as_operator(open_page("about:blank"), calm.url, "/alerts"))
    heat(driver, 1)
    page.locator("#open-alerts").get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.url == f"{calm.url}/alerts"


def test_it_is_acknowledged_without_javascript(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    heat(driver, 1)
    opened(calm)
    page = as_operator(open_page("about:blank", java_script_enabled=False), calm.url, "/?layout=tiles")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page).to_have_url(f"{calm.url}/?layout=tiles")
    wait_for(lambda: calm.json("/api/alerts")["alerts"][0]["acknowledged_by"] == "operator", "it to be acknowledged")
    page.reload()
    assert page.get_by_role("button", name="Acknowledge").count() == 0


def test_with_a_note_without_javascript_on_the_page_of_the_event(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    heat(driver, 1)
    alert = opened(calm)
    page = as_operator(open_page("about:blank", java_script_enabled=False), calm.url, f"/alerts/{alert}")
    page.get_by_label("Note (optional)", exact=True).fill("Known")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("main")).to_contain_text("Acknowledged by operator")
    expect(page.get_by_role("main")).to_contain_text("Known")
