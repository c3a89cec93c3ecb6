"""The evidence on an alert's page in Chromium: charts that are read by pointer and keys, saved as PNG, and told in words."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.alerts.steps import heat, opened
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def recorded(server: Server, driver: FakeDriver) -> str:
    """The address of an alert whose evidence is written."""
    heat(driver, 1)
    alert = opened(server)
    written = "SELECT 1 FROM monitor_alertevidence WHERE event_id = ?"
    wait_for(lambda: server.sql(written, alert.replace("-", "")), "the evidence to be written")
    return f"{server.url}/alerts/{alert}"


def test_charts_show_the_limit_and_the_time_and_are_saved(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = open_page(recorded(calm, driver))
    chart = page.locator("section.chart").filter(has=page.get_by_role("heading", name="Temperature"))
    expect(chart.locator("[data-lane]")).to_contain_text(re.compile(r"fired \d\d:\d\d:\d\d"))
    expect(chart.locator("strong")).to_contain_text("85")
    plot = chart.locator("[data-evidence]")
    plot.focus()
    plot.press("End")
    expect(chart.locator("[data-at]")).to_have_text(re.compile(r"85.°C"))
    expect(page.get_by_role("heading", name="SM clock")).to_be_visible()
    with page.expect_download() as saving:
        chart.get_by_role("button", name="Temperature: save as PNG").click()
    assert saving.value.suggested_filename.endswith("Temperature.png")
    expect(page.get_by_role("heading", name="Processes when it fired")).to_be_visible()


def test_charts_go_on_while_the_alert_is_recorded(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    url = recorded(calm, driver)
    page = open_page("about:blank")
    # Evidence goes on once a minute: the alert of another test can be the first in it.
    wait_for(lambda: "85.0" in page.request.get(url).text(), "the reading that fired it", seconds=90)
    page.clock.install()
    page.goto(url)
    plot = page.locator("[data-evidence]").first
    reading = page.locator("[data-at]").first
    plot.focus()
    plot.press("End")
    expect(reading).to_have_text(re.compile(r"85.°C"))
    body = page.request.get(url).text().replace("85.0", "91.0")
    page.route(url, lambda route: route.fulfill(body=body, content_type="text/html"))
    page.clock.fast_forward(61_000)
    plot.press("End")
    expect(reading).to_have_text(re.compile(r"91.°C"))
    expect(plot).to_be_focused()


def test_curve_is_told_in_words_without_javascript(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = open_page(recorded(calm, driver), java_script_enabled=False)
    expect(page.locator(".in-words").first).to_contain_text(re.compile(r"at first, between .* and 85.°C"))
    expect(page.locator("[data-evidence]").first).to_be_hidden()
