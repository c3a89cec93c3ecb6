"""The page /history: one metric of all GPUs and the host over each other."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stored import stand_in
from tests.support.pages import PHONES, OpenPage, box_of, too_wide, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOWN = "plots[0].series.filter((each, place) => place % 3 === 1 && each.show).length"


@pytest.fixture
def uuids(demo: Server) -> list[str]:
    return [gpu["uuid"] for gpu in demo.json("/api/snapshot")["gpus"]]


@pytest.fixture
def opened(demo: Server, uuids: list[str], open_page: OpenPage) -> Page:
    page = open_page("about:blank", permissions=["clipboard-read", "clipboard-write"])
    stand_in(page, uuids)
    page.goto(f"{demo.url}/history")
    until(page, "plots.length === 1 && plots[0].data[0].length > 100")
    return page


def test_each_gpu_is_a_line_and_the_host_one_that_can_be_switched_on(opened: Page) -> None:
    assert opened.evaluate(SHOWN) == 8
    expect(opened.locator("[data-bucket]")).to_have_text(re.compile(r"^1\smin buckets: line = mean$"))
    opened.get_by_role("button", name="Host", exact=True).click()
    assert opened.evaluate(SHOWN) == 9
    colours = opened.evaluate("plots[0].series.filter((_, place) => place % 3 === 1).map(({ stroke }) => stroke())")
    assert len(set(colours)) == 9


def test_legend_switches_lines_and_the_address_keeps_them(opened: Page, uuids: list[str]) -> None:
    opened.get_by_role("button", name="GPU 3", exact=True).click()
    expect(opened.get_by_role("button", name="GPU 3", exact=True)).to_have_attribute("aria-pressed", "false")
    assert opened.evaluate(SHOWN) == 7
    opened.get_by_role("button", name="GPU 5", exact=True).click(modifiers=["Shift"])
    assert opened.evaluate(SHOWN) == 1
    assert opened.url.endswith(f"gpu={uuids[5]}")
    opened.reload()
    until(opened, f"plots.length === 1 && {SHOWN} === 1")
    expect(opened.locator("[aria-pressed=true][data-hue]")).to_have_text("GPU 5")


def test_users_stand_beside_each_gpu_and_follow_the_span(opened: Page, uuids: list[str]) -> None:
    cells = opened.locator("[data-users-of]")
    expect(cells).to_have_count(9)
    opened.evaluate(
        """uuid => {
          const list = document.getElementById("in-span");
          list.dataset.users = JSON.stringify({ [uuid]: "mira, <b>jo +1" });
          list.dispatchEvent(new CustomEvent("gpumon:replaced", { bubbles: true }));
        }""",
        uuids[1],
    )
    expect(cells.nth(1)).to_have_text("mira, <b>jo +1")
    expect(cells.nth(0)).to_have_text("—")


def test_row_under_the_pointer_brings_its_line_forward(opened: Page) -> None:
    opened.locator(".series-table tbody tr").nth(2).hover()
    until(opened, "plots[0].series[7].alpha === 1 && plots[0].series[1].alpha < 1")
    opened.get_by_role("heading", level=1).hover()
    until(opened, "plots[0].series[1].alpha === 1")


def test_table_reads_the_lines_at_the_cursor(opened: Page) -> None:
    row = opened.locator(".series-table tbody tr").first
    assert row.locator("td[data-read]").all_inner_texts() == ["50", "50", "40", "60"]
    head = opened.locator("[data-read-time]")
    expect(head).to_have_text("Last")
    box = box_of(opened.locator(".u-over"))
    opened.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 50)
    expect(head).to_have_text(re.compile(r"^\d\d:\d\d$"))


def test_metric_is_chosen_and_keeps_the_span(opened: Page) -> None:
    opened.get_by_role("link", name=re.compile(r"^24\sh$")).click()
    until(opened, "location.search.includes('range=24h')")
    opened.get_by_label("Metric").select_option("Power")
    expect(opened.get_by_role("heading", name="Power")).to_be_visible()
    assert "metric=power_watts" in opened.url
    assert "range=24h" in opened.url


def test_link_is_copied(opened: Page) -> None:
    opened.get_by_role("button", name="Copy link").click()
    until(opened, "navigator.clipboard.readText().then((text) => text === location.href)")


def test_without_a_script_links_and_form_work_and_the_table_has_figures(
    demo: Server, open_page: OpenPage, uuids: list[str]
) -> None:
    page = open_page(f"{demo.url}/history", java_script_enabled=False)
    expect(page.locator(".series-table tbody tr")).to_have_count(len(uuids) + 1)
    page.get_by_role("link", name=re.compile(r"^24\sh$")).click()
    expect(page.locator("[data-range][aria-current]")).to_have_text(re.compile(r"^24\sh$"))
    page.get_by_label("Metric").select_option("Temperature")
    page.get_by_role("button", name="Show").first.click()
    expect(page.get_by_role("heading", name="Temperature")).to_be_visible()
    expect(page.locator("[data-range][aria-current]")).to_have_text(re.compile(r"^24\sh$"))
    page.get_by_label("Earlier by one range").click()
    assert "from=20" in page.url
    page.goto(f"{demo.url}/history?range=3weeks")
    expect(page.get_by_text("range is '3weeks'; it must be one of 1min, ")).to_be_visible()


def test_phone_shows_chart_then_table_without_scrolling_sideways(
    demo: Server, open_page: OpenPage, uuids: list[str]
) -> None:
    page = open_page("about:blank", viewport={"width": PHONES[1], "height": 800})
    stand_in(page, uuids)
    page.goto(f"{demo.url}/history?range=7d")
    until(page, "plots.length === 1")
    assert too_wide(page, PHONES) == []
    assert box_of(page.locator(".plot"))["y"] < box_of(page.locator(".series-table"))["y"]
