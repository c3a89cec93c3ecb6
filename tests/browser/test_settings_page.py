"""The settings in the admin, in Chromium: an administrator changes them, and open dashboards follow at once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.browser.axe import serious_in_both_themes
from tests.browser.serving import start
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import PHONES, OpenPage, log_in, too_wide
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FORM = "/admin/monitor/sitesettings/1/change/"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, driver: FakeDriver) -> Iterator[Server]:
    """Two GPUs of the fake driver, the first of them used by this process; the broadcast rate is set by the environment,
    the rest can be changed; one administrator.
    """
    driver.set({"gpu.0.processes": f"{os.getpid()}:C:512:7"}, gpus=2)
    server = start(tmp_path_factory.mktemp("site"), driver, poll_interval_ms="")
    server.make_superuser()
    yield server
    server.stop()


@pytest.fixture
def untouched(site: Server) -> Server:
    """The site with no setting changed in the admin, once the server has noticed."""
    site.sql("DELETE FROM monitor_sitesettings")
    wait_for(
        lambda: (
            all(each["source"] != "admin" for each in site.json("/api/config")["settings"])
            and site.json("/api/snapshot")["poll_interval_seconds"] == 1
        ),
        "the server to see that nothing is set",
    )
    return site


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


@pytest.fixture
def form(untouched: Server, open_page: OpenPage) -> Page:
    """The settings form, opened from the dashboard as an administrator."""
    page = open_page(untouched.url, user="root")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    return page


def messages(page: Page) -> list[dict[str, Any]]:
    """The messages that the page gets over its socket from now on; call it before opening the page."""
    heard: list[dict[str, Any]] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda text: heard.append(json.loads(text)))

    page.on("websocket", listen)
    return heard


def test_open_dashboard_follows_a_change_without_a_reload(untouched: Server, form: Page, open_page: OpenPage) -> None:
    watching = open_page("about:blank")
    heard = messages(watching)
    watching.goto(untouched.url)
    expect(watching.locator("[data-connection]")).to_have_text("Live")
    assert heard[-1]["poll_interval_seconds"] == 1
    watching.evaluate("window.isTheSamePage = true")
    form.get_by_label("Polling interval").fill("250")
    save(form)
    expect(form.get_by_text("Saved. Changes apply immediately.")).to_be_visible()
    expect(form.get_by_label("Polling interval")).to_have_value("250")

    def follows() -> bool:
        watching.wait_for_timeout(50)  # lets Playwright see the socket
        return heard[-1]["poll_interval_seconds"] == 0.25

    wait_for(follows, "the new interval on the open page")
    assert watching.evaluate("window.isTheSamePage")
    found = {setting["name"]: setting for setting in untouched.json("/api/config")["settings"]}
    assert found["GPU_MONITOR_POLL_INTERVAL_MS"]["value"] == 250
    assert found["GPU_MONITOR_POLL_INTERVAL_MS"]["source"] == "admin"


def test_hidden_commands_disappear_from_an_open_page(untouched: Server, form: Page, open_page: OpenPage) -> None:
    watching = open_page(untouched.url)
    command = watching.locator("#processes tbody .command, tbody .command").first
    expect(command).to_contain_text("python")
    form.get_by_label("Command lines").select_option("none")
    save(form)
    expect(command).not_to_contain_text("python")
    form.get_by_label("Command lines").select_option("")
    save(form)
    expect(command).to_contain_text("python")


def test_system_metrics_disappear_and_return(untouched: Server, form: Page, open_page: OpenPage) -> None:
    watching = open_page(untouched.url)
    expect(watching.get_by_text("system metrics are disabled")).to_have_count(0)
    form.get_by_label("System metrics").select_option("no")
    save(form)
    expect(watching.get_by_text("system metrics are disabled").first).to_be_visible()
    form.get_by_label("System metrics").select_option("yes")
    save(form)
    expect(watching.get_by_text("system metrics are disabled")).to_have_count(0)


def test_open_page_follows_a_change_of_provider(untouched: Server, form: Page, open_page: OpenPage) -> None:
    watching = open_page(untouched.url)
    expect(watching.locator("#source")).to_contain_text("NVML")
    form.get_by_label("Provider").select_option("simulated")
    save(form)
    expect(watching.get_by_role("article")).to_have_count(8)
    form.get_by_label("Provider").select_option("")
    save(form)
    expect(watching.locator("#source")).to_contain_text("NVML")
    expect(watching.get_by_role("article")).to_have_count(2)


def test_setting_from_the_environment_is_shown_and_cannot_be_changed(form: Page) -> None:
    rate = form.get_by_label("Broadcast rate")
    expect(rate).to_be_disabled()
    expect(rate).to_have_value("30")
    expect(form.get_by_text("Set in the environment by GPU_MONITOR_WS_MAX_RATE_HZ")).to_be_visible()
    expect(form.get_by_label("Polling interval")).to_be_enabled()


def test_invalid_value_is_refused_with_the_same_words_as_in_the_environment(untouched: Server, form: Page) -> None:
    form.get_by_label("Polling interval").fill("50")
    save(form)
    words = "GPU_MONITOR_POLL_INTERVAL_MS=50 is invalid: must be a whole number from 100 to 60000"
    expect(form.get_by_text(words)).to_be_visible()
    expect(form.get_by_label("Polling interval")).to_have_value("50")
    assert untouched.json("/api/snapshot")["poll_interval_seconds"] == 1


def test_admin_log_records_a_change_with_both_values(untouched: Server, form: Page) -> None:
    form.get_by_label("Idle-held minutes").fill("45")
    save(form)
    expect(form.get_by_text("Saved. Changes apply immediately.")).to_be_visible()
    form.locator("main, #content").get_by_role("link", name="History").first.click()
    expect(form.locator("#change-history")).to_contain_text("Changed Idle-held minutes: default → 45.")
    expect(form.locator("#change-history")).to_contain_text("root")


def test_theme_chosen_on_the_dashboard_applies_in_the_admin_and_back(form: Page, untouched: Server) -> None:
    form.goto(untouched.url)
    before = form.evaluate("getComputedStyle(document.body).backgroundColor")
    form.locator("[data-theme-switch]").click()
    chosen = form.evaluate("document.documentElement.dataset.theme")
    form.goto(untouched.url + FORM)
    assert form.evaluate("document.documentElement.dataset.theme") == chosen
    surface = form.evaluate("getComputedStyle(document.body).backgroundColor")
    form.get_by_role("button", name="Switch between dark and light").click()
    assert form.evaluate("getComputedStyle(document.body).backgroundColor") != surface
    form.get_by_role("link", name="gpumon").click()
    expect(form.locator("[data-page]")).to_be_visible()
    assert form.evaluate("getComputedStyle(document.body).backgroundColor") == before


def pages_of(page: Page, site: Server) -> list[str]:
    """Every admin page linked from its front page, and the form of the first row of each list there."""
    page.goto(site.url + "/admin/")
    first = page.evaluate("[...document.querySelectorAll('#content-main a')].map((each) => each.pathname)")
    forms = []
    for path in first:
        page.goto(site.url + path)
        forms += page.evaluate(
            "[...document.querySelectorAll('#result_list tbody th a')].slice(0, 1).map((each) => each.pathname)"
        )
    return sorted({"/admin/", "/admin/password_change/", FORM, FORM.replace("change", "history"), *first, *forms})


# Checked in the server's response: scripts can set styles, and those of the date and GPU fields do.
INLINE = """(html) => new DOMParser().parseFromString(html, "text/html")
  .querySelectorAll("[style], style, script:not([src])").length"""


def test_every_admin_page_keeps_the_policy_and_is_accessible(untouched: Server, open_page: OpenPage) -> None:
    """A violation of the policy is an error on the page, for which `open_page` fails."""
    page = open_page(untouched.url + FORM)
    found = {"/admin/login/": serious_in_both_themes(page)}
    log_in(page)
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    paths = pages_of(page, untouched)
    assert len(paths) > 6
    for path in paths:
        answer = page.goto(untouched.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert page.evaluate(INLINE, answer.text()) == 0, path
        found[path] = [
            problem for problem in serious_in_both_themes(page) if "help-tooltip search-label-icon" not in problem
        ]  # Django's
        assert too_wide(page, PHONES) == [], path
    assert {path: problems for path, problems in found.items() if problems} == {}
