"""Alerts in Chromium: they appear on open pages, are acknowledged with JavaScript and without, and told of to who asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import serious
from tests.browser.conftest import OpenPage, start, until
from tests.fakes.fake_driver import FakeDriver
from tests.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOGIN = {"operator": "correct horse battery"}
MAKE = """
from django.contrib.auth.models import Permission, User
from monitor.models import AlertRule
AlertRule.objects.all().delete()
for name, metric, limit, severity in (("Hot", "gpu.temperature_celsius", 80, "critical"),
                                      ("Memory nearly full", "gpu.memory_used_percent", 90, "warning")):
    AlertRule.objects.create(name=name, metric=metric, comparator=">=", threshold=limit, for_seconds=0, severity=severity)
operator = User.objects.create_user("operator", password="correct horse battery", is_staff=True)
operator.user_permissions.add(Permission.objects.get(codename="acknowledge_alertevent"))
"""
# Tells what notifications and sounds the page asks for.
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
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, driver: FakeDriver) -> Iterator[Server]:
    """Two cool GPUs by the fake driver, ten readings a second, two rules, and somebody who may acknowledge."""
    driver.scenario("gpus = 2\ngpu.0.temperature = 50\ngpu.1.temperature = 50")
    server = start(tmp_path_factory.mktemp("site"), driver)
    server.manage("shell", "-c", MAKE)
    yield server
    server.stop()


@pytest.fixture
def calm(site: Server, driver: FakeDriver) -> Iterator[Server]:
    """The site without an alert."""

    def cool() -> None:
        driver.set({"gpu.0.temperature": 50, "gpu.1.temperature": 50, "gpu.1.memory_used_mib": 20_480})
        wait_for(lambda: not site.json("/api/alerts")["alerts"], "no alert to be open")

    cool()
    yield site
    cool()


def heat(driver: FakeDriver, *indexes: int) -> None:
    driver.set({f"gpu.{index}.temperature": 85 for index in indexes})


def opened(site: Server) -> str:
    """The id of the worst open alert, as soon as there is one."""

    def found() -> str | None:
        alerts = site.json("/api/alerts")["alerts"]
        return alerts[0]["id"] if alerts else None

    return wait_for(found, "an alert")


def live(page: Page) -> Page:
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


def as_operator(page: Page, url: str, path: str = "/") -> Page:
    page.goto(f"{url}/admin/login/?next={path}")
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill(LOGIN["operator"])
    page.get_by_role("button", name="Log in").click()
    return page


# ── What appears ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/", "/?layout=tiles"])
def test_an_alert_appears_on_an_open_page_and_leaves_with_its_cause(
    calm: Server, driver: FakeDriver, open_page: OpenPage, path: str
) -> None:
    page = live(open_page(calm.url + path))
    page.evaluate("window.marker = 'the same page'")
    banner = page.get_by_role("region", name="Alert")
    link = page.get_by_role("link", name="Alerts")
    expect(banner).to_be_hidden()
    expect(page.locator("#alerts-count")).to_be_hidden()
    heat(driver, 1)
    expect(banner).to_contain_text(re.compile(r"GPU 1.*85\s°C.*for \d+\ss.*rule “Hot”"))
    expect(page.get_by_role("alert").filter(has_text="GPU 1")).to_be_visible()
    expect(link).to_have_accessible_name("Alerts, 1 critical")
    expect(page.locator("#alerts-count")).to_have_text("1")
    expect(page).to_have_title(re.compile(r"^GPU 1 hot · "))
    expect(page.locator("[data-icon]")).to_have_attribute("href", re.compile("critical"))
    outlined = page.locator("[data-gpu-link='1']").locator("xpath=ancestor-or-self::*[@data-level][1]")
    expect(outlined).to_have_attribute("data-level", "critical")
    expect(outlined.locator(".chip", has_text="Hot")).to_be_visible()
    heat(driver, 0)
    expect(banner).to_contain_text("and 1 more")
    driver.set({"gpu.0.temperature": 50, "gpu.1.temperature": 50})
    expect(banner).to_be_hidden()
    expect(page.locator("#alerts-count")).to_be_hidden()
    expect(page.locator("[data-icon]")).to_have_attribute("href", re.compile("ok"))
    expect(outlined).to_have_attribute("data-level", "")
    assert page.evaluate("window.marker") == "the same page"


def test_it_is_read_out_once_while_its_time_goes_on(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
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
    expect(page.locator("#banner-for")).to_have_text(re.compile(r"^[2-9]\ss$"))
    heat(driver, 0, 1)
    expect(page.locator("#banner-more")).to_have_text("and 1 more")
    assert page.evaluate("readOut") == 1


def test_a_warning_gives_the_icon_and_the_outline_of_a_warning(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(calm.url))
    driver.set({"gpu.1.memory_used_mib": 80_000})
    expect(page.locator("[data-icon]")).to_have_attribute("href", re.compile("warning"))
    expect(page).to_have_title(re.compile(r"^GPU 1: Memory nearly full · "))
    card = page.get_by_role("article").nth(1)
    expect(card).to_have_attribute("data-level", "warning")
    expect(card.locator(".chip", has_text="Memory nearly full")).to_be_visible()


def test_a_gpus_page_lists_its_own_alerts_and_shades_their_time(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    uuids = [gpu["uuid"] for gpu in calm.json("/api/snapshot")["gpus"]]
    page = live(open_page(f"{calm.url}/gpu/{uuids[1]}"))
    expect(page.get_by_text("No alert is open for this GPU.")).to_be_visible()
    until(page, "plots.length > 0")
    heat(driver, 0, 1)
    rows = page.locator("#open-alerts article")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("GPU 1")
    periods = page.evaluate("JSON.parse(document.getElementById('charts').dataset.alertsOpen)")
    assert [severity for _, _, severity in periods] == ["critical"]
    driver.set({"gpu.1.temperature": 50})
    expect(page.get_by_text("No alert is open for this GPU.")).to_be_visible()
    page.reload()
    live(page)
    expect(page.get_by_role("heading", name="The last that are over")).to_be_visible()
    assert page.locator("[data-alerts-past]").count() == 1


def test_the_time_of_an_alert_is_coloured_in_the_chart(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    uuid = calm.json("/api/snapshot")["gpus"][1]["uuid"]
    page = live(open_page(f"{calm.url}/gpu/{uuid}"))
    page.get_by_role("button", name="1 min").click()
    heat(driver, 1)
    # At the right edge of the PCIe chart, above its line: nothing but the shade.
    reddish = """(() => {
        const plot = plots.find(({ ctx }) => ctx);
        if (!plot) return false;
        const { left, top, width } = plot.bbox;
        const [red, , blue, alpha] = plot.ctx.getImageData(left + width - 3, top + 3, 1, 1).data;
        return alpha > 0 && red > blue;
    })()"""
    until(page, reddish)


# ── The page of alerts ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_leads_to_the_page_of_alerts_where_open_ones_come_and_go(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(calm.url))
    page.keyboard.press("a")
    expect(page).to_have_url(f"{calm.url}/alerts")
    live(page)
    expect(page.get_by_text("No alert is open.")).to_be_visible()
    heat(driver, 0, 1)
    rows = page.locator("#open-alerts article")
    expect(rows).to_have_count(2)
    expect(page.locator("#open-count")).to_have_text("2 critical")
    # The history below follows, without a reload.
    expect(page.locator("[data-history] article").filter(has_text="still firing").first).to_be_visible()
    driver.set({"gpu.0.temperature": 50, "gpu.1.temperature": 50})
    expect(rows).to_have_count(0)
    expect(page.locator("[data-history] article").first).to_contain_text(re.compile(r"resolved \d\d:\d\d:\d\d.* after"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{calm.url}/")


def test_the_history_is_filtered_without_javascript_and_the_address_keeps_it(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    heat(driver, 1)
    opened(calm)
    page = open_page(f"{calm.url}/alerts", java_script_enabled=False)
    history = page.locator("#history")
    history.get_by_label("Severity").select_option("critical")
    history.get_by_label("Words").fill("temperature")
    history.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"severity=critical.*q=temperature"))
    expect(history.get_by_label("Words")).to_have_value("temperature")
    expect(history.get_by_role("heading", level=3).first).to_contain_text(re.compile(r"\d{4} \d+ alerts?"))
    history.get_by_label("Words").fill("no such word")
    history.get_by_role("button", name="Filter").click()
    expect(history).to_contain_text("No alert fits this filter.")
    history.get_by_role("link", name="Show all").click()
    expect(history.locator("article").first).to_be_visible()
    history.locator("article").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="The rule as it was then")).to_be_visible()


# ── Acknowledging ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
    expect(page.locator("[data-history] article").first).to_contain_text("Note: The fan is on order")


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
    expect(dialog.get_by_role("alert")).to_contain_text("It is acknowledged already")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


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
    page.get_by_label("Note", exact=True).fill("Known")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("main")).to_contain_text("Acknowledged by operator")
    expect(page.get_by_role("main")).to_contain_text("Known")


# ── Notifications and sound ───────────────────────────────────────────────────────────────────────────────────────────


def test_who_switched_them_on_is_told_once_of_each_new_alert_on_every_page(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    heat(driver, 0)
    opened(calm)
    page = live(open_page(f"{calm.url}/alerts", init=STUBS))
    page.get_by_role("button", name="Notifications: off").click()
    page.get_by_role("button", name="Sound: off").click()
    expect(page.get_by_role("button", name="Notifications: on")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Sound: on")).to_have_attribute("aria-pressed", "true")
    with page.expect_response(re.compile("/api/alerts")):  # what is open at load is known from then on
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


def test_a_hidden_tab_which_has_no_socket_tells_all_the_same(
    calm: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
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


def test_nobody_is_asked_or_told_who_did_not_switch_it_on(
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


def test_a_browser_that_refuses_is_told_of_and_nothing_is_switched_on(calm: Server, open_page: OpenPage) -> None:
    page = live(open_page(f"{calm.url}/alerts", init=STUBS + "window.answer = 'denied';"))
    button = page.get_by_role("button", name="Notifications: off")
    button.click()
    expect(page.locator("[data-tell-problem]")).to_contain_text("does not let this site notify")
    expect(button).to_have_attribute("aria-pressed", "false")


# ── For everybody ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [390, 1440, 2560])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    calm: Server, driver: FakeDriver, open_page: OpenPage, theme: str, width: int
) -> None:
    heat(driver, 0, 1)
    alert = opened(calm)
    uuid = calm.json("/api/snapshot")["gpus"][1]["uuid"]
    page = as_operator(
        open_page("about:blank", color_scheme=theme, viewport={"width": width, "height": 900}), calm.url, "/alerts"
    )
    for path in ("/alerts", "/", "/?layout=tiles", f"/gpu/{uuid}", f"/alerts/{alert}"):
        page.goto(calm.url + path)
        expect(page.get_by_role("button", name="Acknowledge").first).to_be_visible()
        assert serious(page) == [], path
        assert page.evaluate(FITS), path
    page.goto(calm.url)
    page.get_by_role("button", name="Acknowledge").first.click()
    assert serious(page) == []
    assert page.evaluate(FITS)


def test_printed_there_is_no_button(calm: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = live(as_operator(open_page("about:blank"), calm.url, "/alerts"))
    heat(driver, 1)
    expect(page.locator("#open-alerts article")).to_have_count(1)
    page.emulate_media(media="print")
    assert page.get_by_role("main").get_by_role("button").count() == 0
