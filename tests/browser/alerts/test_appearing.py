"""Alerts appear on open pages and resolve with their cause: in banner, count, title, icon, outline and charts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.alerts.steps import heat, live
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, box_of, until
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("path", ["/", "/?layout=tiles"])
def test_alert_appears_on_an_open_page_and_disappears_with_its_cause(
    calm: Server, driver: FakeDriver, open_page: OpenPage, path: str
) -> None:
    page = live(open_page(calm.url + path))
    page.evaluate("window.marker = 'the same page'")
    banner = page.get_by_role("region", name="Alert")
    link = page.get_by_role("link", name="Alerts")
    expect(banner).to_be_hidden()
    expect(page.locator("#alerts-count")).to_be_hidden()
    heat(driver, 1)
    expect(banner).to_contain_text(re.compile(r"GPU 1.*85\s°C.*for \d+\ss.*rule “Hot”", re.DOTALL))
    expect(page.get_by_role("alert").filter(has_text="GPU 1")).to_be_visible()
    expect(link).to_have_accessible_name("Alerts 1: 1 critical")
    expect(page.locator("#alerts-count")).to_have_text("1")
    expect(page).to_have_title(re.compile(r"^GPU 1 hot · "))
    expect(page.locator("[data-icon]")).to_have_attribute("href", re.compile("critical"))
    outlined = page.locator("[data-gpu-link='1']").locator("xpath=ancestor-or-self::*[@data-level][1]")
    expect(outlined).to_have_attribute("data-level", "critical")
    expect(outlined.get_by_text("too hot")).to_be_visible()
    heat(driver, 0)
    expect(banner).to_contain_text("and 1 more")
    driver.set({"gpu.0.temperature": 50, "gpu.1.temperature": 50})
    expect(banner).to_be_hidden()
    expect(page.locator("#alerts-count")).to_be_hidden()
    expect(page.locator("[data-icon]")).to_have_attribute("href", re.compile("ok"))
    expect(outlined).to_have_attribute("data-level", "")
    assert page.evaluate("window.marker") == "the same page"


def test_banner_shows_the_way_to_the_other_alerts_at_every_width(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    """A long summary and the rule's name hid it on a phone."""
    heat(driver, 0, 1)
    page = live(open_page(calm.url, user="operator"))
    more = page.locator("#banner-more")
    expect(more).to_have_text("and 1 more")
    page.locator("[data-pause]").click()
    words = "GPU 0 of a host with a long name reached 85 °C (limit 80 °C) " * 3
    page.locator(".banner [role=alert] b").evaluate("(element, words) => { element.textContent = words; }", words)
    page.locator("#banner-now").evaluate("(element) => { element.textContent = 'now 85 °C, for 1 h 12 min'; }")
    for width in (320, 390, 1000, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        link, banner = box_of(more), box_of(page.locator(".banner"))
        assert banner["y"] < link["y"], width
        assert link["y"] + link["height"] < banner["y"] + banner["height"], width
        assert link["x"] + link["width"] < banner["x"] + banner["width"], width
        more.click(trial=True)  # nothing covers it


def test_alert_is_announced_once_while_its_duration_counts_up(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(calm.url))
    page.evaluate("""
        window.readOut = 0;
        new MutationObserver((changes) => {
          for (const { target, addedNodes } of changes) {
            const element = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
            const isAlert = (node) => node.querySelector?.("[role=alert]") || node.matches?.("[role=alert]");
            if (element?.closest("[role=alert]") || [...addedNodes].some(isAlert)) readOut += 1;
          }
        }).observe(document.getElementById("banner"), { childList: true, subtree: true, characterData: true });
    """)
    heat(driver, 1)
    expect(page.locator("#banner-now")).to_have_text(re.compile(r"for [2-9]\ss$"))
    heat(driver, 0, 1)
    expect(page.locator("#banner-more")).to_have_text("and 1 more")
    assert page.evaluate("readOut") == 1


def test_warning_changes_the_icon_and_the_outline(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(open_page(calm.url))
    driver.set({"gpu.1.memory_used_mib": 80_000})
    expect(page.locator("[data-icon]")).to_have_attribute("href", re.compile("warning"))
    expect(page).to_have_title(re.compile(r"^GPU 1: Memory nearly full · "))
    card = page.get_by_role("article").nth(1)
    expect(card).to_have_attribute("data-level", "warning")
    chip = card.locator(".chip", has_text="Memory full")
    expect(chip).to_have_attribute("title", re.compile("“Memory nearly full”"))


def test_gpu_page_lists_its_own_alerts_and_shades_their_time(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    uuids = [gpu["uuid"] for gpu in calm.json("/api/snapshot")["gpus"]]
    page = live(open_page(f"{calm.url}/gpu/{uuids[1]}"))
    expect(page.get_by_text("No open alerts for this GPU.")).to_be_visible()
    until(page, "plots.length > 0")
    heat(driver, 0, 1)
    rows = page.locator("#open-alerts article")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("GPU 1")
    periods = page.evaluate("JSON.parse(document.getElementById('charts').dataset.alertsOpen)")
    assert [period[2:] for period in periods] == [["critical", "gpu.temperature_celsius"]]
    driver.set({"gpu.1.temperature": 50})
    expect(page.get_by_text("No open alerts for this GPU.")).to_be_visible()
    page.reload()
    live(page)
    expect(page.get_by_role("heading", name="In this span")).to_be_visible()
    fired = re.compile(r"fired\s+\d+ \w{3} \d{4}, \d\d:\d\d:\d\d")
    expect(page.get_by_role("region", name="Alerts").get_by_role("article").first).to_contain_text(fired)
    periods = page.evaluate("JSON.parse(document.getElementById('in-span').dataset.periods)")
    assert ["critical", "gpu.temperature_celsius"] in [period[3:5] for period in periods]


def test_chart_shades_the_time_of_an_alert(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    uuid = calm.json("/api/snapshot")["gpus"][1]["uuid"]
    page = live(open_page(f"{calm.url}/gpu/{uuid}"))
    page.get_by_role("link", name="1\u2009min").click()
    heat(driver, 1)
    # At the right edge of a chart, above its line: only the shade is there.
    reddish = """((place) => {
        const { bbox: { left, top, width }, ctx } = plots[place];
        const [red, , blue, alpha] = ctx.getImageData(left + width - 3, top + 3, 1, 1).data;
        return alpha > 0 && red > blue;
    })"""
    until(page, "plots.length === 6")
    until(page, f"{reddish}(2)")  # the temperature
    assert page.evaluate(f"[0, 1, 4, 5].map({reddish})") == [False] * 4


def test_alert_moves_nothing(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    """The banner once pushed the page down."""
    pages = [live(open_page(calm.url, viewport={"width": width, "height": 900})) for width in (390, 1440)]
    places = "[...document.querySelectorAll('.totals, .gpu, #processes')].map((each) => each.getBoundingClientRect().y)"
    before = [page.evaluate(places) for page in pages]
    heat(driver, 1)
    for page in pages:
        expect(page.get_by_role("region", name="Alert")).to_be_visible()
    assert [page.evaluate(places) for page in pages] == before
    driver.set({"gpu.1.temperature": 50})
    for page in pages:
        expect(page.get_by_role("region", name="Alert")).to_be_hidden()
    assert [page.evaluate(places) for page in pages] == before


def test_alert_that_ended_while_the_page_was_paused_is_gone_when_it_resumes(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(calm.url))
    heat(driver, 1)
    banner = page.get_by_role("region", name="Alert")
    expect(banner).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator("[data-connection]")).to_have_text(re.compile("^Paused"))
    driver.set({"gpu.1.temperature": 50})
    wait_for(lambda: not calm.json("/api/alerts")["alerts"], "the alert to end")
    expect(banner).to_be_visible()
    page.keyboard.press("Space")
    live(page)
    expect(banner).to_be_hidden()
    expect(page.locator("#alerts-count")).to_be_hidden()
    expect(page.locator("[data-icon]")).to_have_attribute("href", re.compile("ok"))
    expect(page.get_by_role("article").nth(1)).to_have_attribute("data-level", "")
