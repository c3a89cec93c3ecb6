"""The page shows the true state of its connection, and reconnects by itself."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.serving import start
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import NO_SERVER, OpenPage, until
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SKEW = "const now = performance.now.bind(performance); window.skew = 0; performance.now = () => now() + skew;"
"""Lets a test move the page's clock."""

KINDS = "window.kinds = []; document.addEventListener('gpumon:message', ({ detail }) => kinds.push(detail.kind));"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for this module only, to be killed."""
    server = start(tmp_path_factory.mktemp("mortal"), telemetry_provider="simulated", simulated_gpus=2)
    yield server
    server.stop(signal.SIGKILL)


def live(page: Page) -> Page:
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


def test_first_message_is_not_missed_when_scripts_load_late(demo: Server, open_page: OpenPage) -> None:
    page = open_page("about:blank", init=KINDS)
    held: list[Route] = []
    page.route("**/js/connection.*", lambda route: held.append(route))
    page.goto(demo.url, wait_until="commit")
    until(page, "Boolean(window.htmx?.config.ws && window.uPlot)")
    wait_for(lambda: page.evaluate("true") and held, "the script to be asked for")
    for route in held:
        route.continue_()
    live(page)
    assert page.evaluate("kinds[0]") == "full"


def test_page_reconnects_to_a_killed_and_restarted_server_without_a_reload(mortal: Server, open_page: OpenPage) -> None:
    page = live(open_page(mortal.url, expecting=[NO_SERVER]))
    page.evaluate("window.marker = 'the same page'")
    until(page, "plots.length && plots[0].data[0].length > 5")
    before = page.evaluate("plots[0].data[0].at(-1)")
    mortal.stop(signal.SIGKILL)
    badge = page.locator("[data-connection]")
    expect(badge).to_have_text(re.compile(r"^Reconnecting, \d+\ss$"))
    expect(badge).to_have_attribute("title", "The server does not respond")
    expect(badge).to_have_text(re.compile(r"^Reconnecting, [2-9]\ss$"))  # it counts the seconds
    expect(page).to_have_title(re.compile("^Reconnecting · "))
    dimmed = page.evaluate("getComputedStyle(document.querySelector('.reading dd')).color")
    assert page.locator(".reading b").first.inner_text() != ""
    mortal.start()
    live(page)
    assert page.evaluate("window.marker") == "the same page"
    assert page.evaluate("getComputedStyle(document.querySelector('.reading dd')).color") != dimmed
    # The charts are refilled from the history of the new server.
    until(page, f"plots[0].data[0].length > 3 && plots[0].data[0][0] > {before}")


def test_reconnect_delay_is_at_most_five_seconds(host: Server, open_page: OpenPage) -> None:
    page = live(open_page(host.url))
    longest = page.evaluate(
        """() => {
          const { connection } = document.querySelector("[data-socket]")._htmx.ws;
          const { reconnectMaxDelay, reconnectJitter, reconnectMaxAttempts } = connection.config;
          return [reconnectMaxDelay * (1 + reconnectJitter), reconnectJitter, reconnectMaxAttempts === Infinity];
        }"""
    )
    assert longest[0] <= 5000
    assert longest[1] > 0
    assert longest[2]


def test_old_readings_are_marked_stale_and_refreshed_when_readings_return(
    fresh_host: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    driver.set({"gpu.0.utilization": 42})
    page = live(open_page(fresh_host.url))
    first = page.locator(".reading dd").first
    expect(first).to_have_text(re.compile("^42"))
    bright = first.evaluate("(element) => getComputedStyle(element).color")
    icon = page.locator("link[rel=icon]")
    ok = icon.get_attribute("href")
    driver.set({"hang.nvmlDeviceGetUtilizationRates": 1})
    badge = page.locator("[data-connection]")
    expect(badge).to_have_text(re.compile(r"^Stale, \d+\ss$"))
    expect(badge).to_have_attribute("title", re.compile("has not answered"))
    expect(page.get_by_role("alert")).to_contain_text("values shown are the last known")
    expect(page).to_have_title(re.compile("^Stale · "))
    expect(icon).to_have_attribute("href", re.compile("critical"))
    expect(first).to_have_text(re.compile("^42"))
    assert first.evaluate("(element) => getComputedStyle(element).color") != bright
    driver.set({"hang.nvmlDeviceGetUtilizationRates": 0, "gpu.0.utilization": 43})
    live(page)
    expect(first).to_have_text(re.compile("^43"))
    expect(page).not_to_have_title(re.compile("Stale"))
    assert ok is not None
    expect(icon).to_have_attribute("href", ok)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_silent_socket_is_replaced(mortal: Server, open_page: OpenPage) -> None:
    """As after sleep or with a cable pulled: it looks open, and no message comes."""
    page = live(open_page(mortal.url, init=SKEW, expecting=[NO_SERVER]))
    opened = []
    page.on("websocket", lambda socket: opened.append(socket.url))
    assert mortal.process is not None
    mortal.process.send_signal(signal.SIGSTOP)
    try:
        page.evaluate("skew += 60_000")
        expect(page.locator("[data-connection]")).to_have_text(
            re.compile(r"^Reconnecting, 6\d\ss|^Reconnecting, 1 min")
        )
        wait_for(lambda: page.evaluate("true") and opened, "another socket")
    finally:
        mortal.process.send_signal(signal.SIGCONT)
    live(page)


def test_page_offers_a_reload_when_the_server_has_another_version(
    mortal: Server, open_page: OpenPage, tmp_path: Path
) -> None:
    page = live(open_page(mortal.url))
    offer = page.get_by_text("gpumon was upgraded while this page was open")
    expect(offer).to_be_hidden()
    page.evaluate("document.querySelector('[data-page]').dataset.version = '0.0.9-older'")
    expect(offer).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name="Reload").click()
    live(page)
    expect(offer).to_be_hidden()
