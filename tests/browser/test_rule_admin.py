"""Alert rules in the admin, in Chromium: a rule is created, previewed on the readings, saved, and fires."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import serious_in_both_themes
from tests.browser.serving import start
from tests.support.pages import PHONES, OpenPage, too_wide
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADD = "/admin/monitor/alertrule/add/"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Eight simulated GPUs, one rule that does not fire, one administrator."""
    server = start(tmp_path_factory.mktemp("site"), telemetry_provider="simulated")
    server.sql("DELETE FROM monitor_alertrule WHERE name <> 'Xid error'")
    server.make_superuser()
    wait_for(lambda: server.sql("SELECT count(*) FROM monitor_seengpu") == [(8,)], "the GPUs to be remembered")
    yield server
    server.stop()


@pytest.fixture
def form(site: Server, open_page: OpenPage) -> Page:
    """The form of a new rule."""
    page = open_page(site.url + ADD, user="root")
    expect(page.get_by_role("heading", name="Add alert rule")).to_be_visible()
    return page


def fill_in(page: Page, *, name: str = "Warm", threshold: str = "1") -> None:
    page.get_by_label("Name:", exact=True).fill(name)
    page.get_by_label("Metric:").select_option("gpu.temperature_celsius")
    page.get_by_label("Threshold:", exact=True).fill(threshold)


def try_it(page: Page) -> None:
    page.get_by_role("button", name="Preview").click()


def test_rule_is_created_previewed_saved_and_fires(site: Server, form: Page) -> None:
    fill_in(form)
    try_it(form)
    result = form.locator("#preview")
    expect(result.locator(".gpumon-condition")).to_have_text(re.compile("temperature ≥ 1.°C"))
    expect(result.locator("[data-preview-firing]")).to_contain_text("It would fire now: GPU 0")
    expect(result.locator("[data-preview-times]")).to_contain_text(re.compile(r"It would have fired\s+8\s+times"))
    expect(result.locator("trial-chart canvas")).to_be_visible()
    expect(result.locator("figcaption span")).to_have_count(3)
    assert form.url == site.url + ADD
    form.get_by_role("button", name="Save", exact=True).click()
    expect(form.get_by_text("was added successfully")).to_be_visible()
    row = form.get_by_role("row", name="Warm")
    expect(row).to_contain_text(re.compile("temperature ≥ 1.°C"))

    def fires() -> bool:
        form.reload()
        return row.locator(".field-firing").inner_text() == "8"

    wait_for(fires, "the saved rule to fire")


def test_form_shows_only_the_fields_that_the_kind_uses(form: Page) -> None:
    metric, throttle, threshold = (
        form.get_by_label("Metric:"),
        form.get_by_label("Throttle:"),
        form.locator("#id_threshold"),
    )
    expect(metric).to_be_visible()
    expect(throttle).to_be_hidden()
    expect(form.locator("[data-request-problem]")).to_be_hidden()
    metric.select_option("gpu.power_watts")
    expect(form.locator(".field-threshold .gpumon-unit")).to_have_text("W")
    form.get_by_label("Kind:").select_option("throttled")
    expect(throttle).to_be_visible()
    expect(metric).to_be_hidden()
    expect(threshold).to_be_hidden()
    expect(form.locator(".field-kind .help")).to_have_text("The driver lowers the clocks for the chosen reasons.")
    form.get_by_label("Kind:").select_option("stale")
    expect(form.locator(".field-threshold .gpumon-unit")).to_have_text("s")
    expect(metric).to_be_hidden()
    expect(form.locator("#id_for_seconds")).to_be_visible()
    form.get_by_label("Kind:").select_option("xid")
    expect(form.locator("#id_for_seconds")).to_be_hidden()
    form.get_by_label("Kind:").select_option("threshold")
    expect(metric).to_have_value("gpu.power_watts")


def test_fields_of_another_kind_are_not_saved(form: Page) -> None:
    fill_in(form, name="Throttled")
    form.get_by_label("Kind:").select_option("throttled")
    form.get_by_label("Throttle:").select_option("thermal")
    form.get_by_role("button", name="Save", exact=True).click()
    expect(form.get_by_text("was added successfully")).to_be_visible()


def test_gpus_are_found_as_you_type(form: Page) -> None:
    box = form.locator(".field-gpus .select2-search__field")
    box.click()
    box.press_sequentially("H100")
    options = form.locator(".select2-results__option[role=option]")
    expect(options).to_have_count(8)
    options.nth(2).click()
    expect(form.locator(".field-gpus .select2-selection__choice")).to_contain_text("GPU 2")
    fill_in(form)
    try_it(form)
    expect(form.locator("[data-preview-firing]")).to_contain_text(
        re.compile(r"It would fire now:\s+GPU 2 reached [^;]*$")
    )


def test_errors_of_the_form_are_shown_in_the_preview(form: Page) -> None:
    fill_in(form, threshold="90")
    result = form.locator("#preview")
    form.get_by_label("Threshold:", exact=True).fill("")
    try_it(form)
    expect(result).to_contain_text("Threshold: Required for “Threshold”.")


def test_preview_without_script_is_a_page_of_its_own(site: Server, open_page: OpenPage) -> None:
    page = open_page(site.url + ADD, user="root", java_script_enabled=False)
    expect(page.get_by_label("Throttle:")).to_be_visible()
    fill_in(page)
    with page.context.expect_page() as opened:
        try_it(page)
    expect(opened.value.get_by_role("heading", name="Preview")).to_be_visible()
    expect(opened.value.locator("[data-preview-firing]")).to_contain_text("It would fire now")
    expect(page.get_by_label("Name:", exact=True)).to_have_value("Warm")


def test_preview_without_a_session_says_so(form: Page) -> None:
    fill_in(form)
    form.context.clear_cookies(name=re.compile("session"))
    try_it(form)
    expect(form.locator("[data-request-problem]")).to_contain_text("Log in again in another tab")


def test_form_and_preview_fit_a_phone_and_have_no_serious_accessibility_violations(site: Server, form: Page) -> None:
    fill_in(form, threshold="90")
    form.get_by_label("Clear threshold:").fill("85")
    try_it(form)
    expect(form.locator("trial-chart canvas")).to_be_visible()
    assert serious_in_both_themes(form) == []
    assert too_wide(form) == []
    assert too_wide(form, PHONES) == []
    form.set_viewport_size({"width": 1440, "height": 1000})
    form.goto(site.url + "/admin/monitor/alertrule/")
    assert serious_in_both_themes(form) == []


def test_every_column_of_the_list_is_visible_on_a_small_laptop(site: Server, open_page: OpenPage) -> None:
    """The filters beside the list once left no room for the column that counts firing alerts."""
    site.sql(
        "UPDATE monitor_alertrule SET name = 'Remapped', kind = 'rise', metric = 'gpu.remapped_rows_uncorrected', "
        "threshold = 1, muted_until = '2100-01-01 00:00:00' WHERE name = 'Xid error'"
    )
    page = open_page(site.url + "/admin/monitor/alertrule/", user="root", viewport={"width": 1024, "height": 768})
    expect(page.locator("th.column-firing")).to_be_in_viewport(ratio=1)
    assert too_wide(page) == []
