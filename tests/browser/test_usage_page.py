"""The usage page in a browser: its widths, themes, contrast, links and the CSV, without a script of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious_in_both_themes
from tests.browser.serving import start
from tests.support.pages import WIDTHS, OpenPage, box_of, too_wide
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FILL = "import time\nfrom tests.web.usage.ledger_rows import fill\nfill(time.time(), days=9)"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Nine days of use by ten users. Nothing is recorded beside it."""
    server = start(
        tmp_path_factory.mktemp("ledger"), telemetry_provider="simulated", record_usage="false", cost_per_kwh="0.3"
    )
    server.manage("shell", "-c", FILL)
    yield server
    server.stop()


def test_page_fits_every_width_in_both_themes_and_works_without_a_script(ledger: Server, open_page: OpenPage) -> None:
    page = open_page(f"{ledger.url}/usage?range=7d", java_script_enabled=False)
    assert too_wide(page, WIDTHS) == []
    expect(page.get_by_role("link", name="Usage")).to_have_attribute("aria-current", "page")
    expect(page.locator(".sum")).to_contain_text("GPU-hours")
    page.get_by_role("link", name="Idle-held").first.click()
    expect(page.locator("th[aria-sort]")).to_have_text("Idle-held")
    page.get_by_role("navigation", name="Group by").get_by_role("link", name="GPU").click()
    expect(page.get_by_role("heading", name="By GPU")).to_be_visible()
    expect(page.locator(".segmented [aria-current]").first).to_have_text("7\u2009d")
    page.get_by_role("navigation", name="Show").get_by_role("link", name="Free").click()
    expect(page.get_by_role("heading", name="Free GPUs by hour")).to_be_visible()


def test_cards_have_the_last_day_as_a_ribbon_that_moves_nothing(ledger: Server, open_page: OpenPage) -> None:
    page = open_page(f"{ledger.url}/?layout=cards", java_script_enabled=False)
    height = box_of(page.get_by_role("article").first)["height"]
    page = open_page(f"{ledger.url}/?layout=cards")
    ribbon = page.locator("#g0-ribbon")
    expect(ribbon.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"^Last 24 hours of GPU 0: \w+"))
    assert ribbon.locator("rect title").first.text_content()
    assert box_of(page.get_by_role("article").first)["height"] == height
    expect(page.locator("#ribbon-legend")).to_contain_text("half height: idle-held")


def test_page_of_a_gpu_has_who_used_it_over_the_span_of_its_charts(ledger: Server, open_page: OpenPage) -> None:
    uuid = ledger.json("/api/snapshot")["gpus"][0]["uuid"]
    page = open_page(f"{ledger.url}/gpu/{uuid}?range=24h")
    strip = page.locator("#who").get_by_role("img")
    expect(strip).to_have_attribute("aria-label", re.compile(r"^GPU 0: \w+"))
    day = strip.get_attribute("aria-label")
    page.get_by_role("link", name="7 d").click()
    expect(strip).not_to_have_attribute("aria-label", str(day))
    assert serious_in_both_themes(page) == []


def test_page_is_accessible_and_its_csv_is_the_table(ledger: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(f"{ledger.url}/usage?range=7d")
    assert serious_in_both_themes(page) == []
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    assert waiting.value.suggested_filename == "usage-by-user.csv"
    waiting.value.save_as(tmp_path / "usage.csv")
    names = [line.split(",")[1] for line in (tmp_path / "usage.csv").read_text().splitlines()[1:]]
    shown = page.locator("tbody th .person").all_inner_texts()
    assert [name.removeprefix("'") for name in names] == [text.strip() for text in shown]
