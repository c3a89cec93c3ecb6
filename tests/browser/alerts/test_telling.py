"""Browser notifications and sound: only for viewers who switched them on, once for each new alert."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.alerts.steps import heat, live, opened
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# Records the notifications and sounds that the page requests.
STUBS = """
window.told = [];
window.tones = 0;
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (this.permission = window.answer ?? "granted"); }
  constructor(title, options) { told.push({ title, ...options }); }
};
window.AudioContext = class {
  currentTime = 0;
  destination = {};
  async resume() {}
  createOscillator() { return { frequency: {}, connect: (next) => next, start: () => { tones += 1; }, stop() {} }; }
  createGain() {
    const gain = { setValueAtTime() {}, exponentialRampToValueAtTime() {} };
    return { gain, connect: (next) => next };
  }
};
"""


def test_viewer_who_opted_in_is_notified_once_of_each_new_alert_on_every_page(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    heat(driver, 0)
    opened(calm)
    page = live(open_page(f"{calm.url}/alerts", init=STUBS))
    page.get_by_role("button", name="Notifications: off").click()
    page.get_by_role("button", name="Sound: off").click()
    expect(page.get_by_role("button", name="Notifications: on")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Sound: on")).to_have_attribute("aria-pressed", "true")
    with page.expect_response(re.compile("/api/alerts")):  # alerts that are open at load count as seen
        page.goto(calm.url)
    live(page)
    page.evaluate("Notification.permission = 'granted'")
    heat(driver, 0, 1)
    until(page, "told.length > 0")
    driver.set({"gpu.0.temperature": 50})
    expect(page.get_by_role("region", name="Alert")).to_contain_text("GPU 1")
    expect(page.locator("#banner-more")).to_have_text("see all")
    (told,) = page.evaluate("told")
    assert "GPU 1" in told["title"]
    assert told["tag"] == calm.json("/api/alerts")["alerts"][0]["id"]
    assert page.evaluate("tones") == 2


def test_hidden_tab_without_a_socket_still_notifies(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(open_page(f"{calm.url}/alerts", init=STUBS))
    page.get_by_role("button", name="Notifications: off").click()
    expect(page.get_by_role("button", name="Notifications: on")).to_be_visible()
    page.clock.install()
    with page.expect_response(re.compile("/api/alerts")):
        page.reload()
    live(page)
    page.evaluate("Notification.permission = 'granted'")
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => true }); document.dispatchEvent(new Event('visibilitychange'))"
    )
    heat(driver, 1)
    alert = opened(calm)
    page.clock.fast_forward(16_000)
    until(page, "told.length > 0")
    assert [each["tag"] for each in page.evaluate("told")] == [alert]


def test_viewer_who_did_not_opt_in_is_neither_asked_nor_notified(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(calm.url, init=STUBS))
    scripts = (
        "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => /js.alerts/.test(name))"
    )
    heat(driver, 1)
    expect(page.get_by_role("region", name="Alert")).to_be_visible()
    assert page.evaluate(scripts) == []
    assert page.evaluate("[Notification.permission, told.length, tones]") == ["default", 0, 0]


def test_page_says_when_the_browser_refuses_and_switches_nothing_on(calm: Server, open_page: OpenPage) -> None:
    page = live(open_page(f"{calm.url}/alerts", init=STUBS + "window.answer = 'denied';"))
    button = page.get_by_role("button", name="Notifications: off")
    button.click()
    expect(page.locator("[data-tell-problem]")).to_contain_text("Notifications are blocked")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_expired_login_is_not_reported_as_an_error_of_the_page(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(f"{calm.url}/alerts", init=STUBS, expecting=["status of 401"]))
    page.get_by_role("button", name="Sound: off").click()
    page.route("**/api/alerts", lambda route: route.fulfill(status=401, json={"error": "Log in"}))
    with page.expect_response(re.compile("/api/alerts")):
        heat(driver, 1)
    page.unroute("**/api/alerts")
    heat(driver, 0, 1)
    until(page, "tones > 2")  # the first two came from switching it on
