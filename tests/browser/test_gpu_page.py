"""The page of one GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import NOT_FOUND, OpenPage, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SPAN = "plots[0].scales.x.max - plots[0].scales.x.min"


@pytest.fixture
def gpus(demo: Server) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = demo.json("/api/snapshot")["gpus"]
    return answer


@pytest.fixture
def opened(demo: Server, gpus: list[dict[str, Any]], open_page: OpenPage) -> Iterator[Page]:
    page = open_page(f"{demo.url}/gpu/{gpus[0]['uuid']}", permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator("[data-connection]")).to_have_text("Live")
    until(page, "plots.length === 6 && plots.every((plot) => plot.data[0].length > 1)")
    return page


def test_gpu_page_shows_six_charts_in_their_units(opened: Page) -> None:
    titles = opened.locator(".chart h2").all_inner_texts()
    assert titles == ["Utilization", "Memory", "Temperature", "Power", "SM clock", "PCIe"]
    for place, unit in enumerate(("%", "GiB", "°C", "W", "MHz", "GB/s")):
        expect(opened.locator(".chart strong").nth(place)).to_have_text(re.compile(rf"\d\s{unit}$"))
    assert opened.evaluate("plots.slice(0, 2).map(({ scales: { y } }) => [y.min, y.max])") == [[0, 100]] * 2
    assert opened.evaluate("plots[5].data.length") == 7  # time, and mean, lowest and highest of received and sent


def test_range_is_chosen_by_buttons_and_begins_with_the_first_reading(opened: Page) -> None:
    """Right after the start, most of a chart was once empty."""
    for name, seconds in (("1\u2009min", 60), ("15\u2009min", 900)):
        link = opened.get_by_role("link", name=name, exact=True)
        link.click()
        expect(link).to_have_attribute("aria-current", "true")
        span, known = opened.evaluate(f"[{SPAN}, plots[0].scales.x.max - plots[0].data[0][0]]")
        assert span == pytest.approx(min(seconds, max(10, known)))
    assert opened.locator("[data-range][aria-current=true]").count() == 1


def test_zoomed_chart_does_not_move_and_a_double_click_resets_it(opened: Page) -> None:
    opened.get_by_role("link", name="1\u2009min", exact=True).click()
    box = opened.locator(".u-over").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    opened.mouse.move(box["x"] + 0.25 * box["width"], y)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 0.75 * box["width"], y, steps=5)
    opened.mouse.up()
    until(opened, "location.search.startsWith('?from=')")
    opened.evaluate("window.heard = 0; document.addEventListener('gpumon:message', () => { heard += 1; })")
    until(opened, "heard > 1")  # the chart first takes the whole seconds of the address
    zoomed = opened.evaluate(SPAN)
    start = opened.evaluate("plots[0].scales.x.min")
    until(opened, "heard > 4")
    assert opened.evaluate("plots[0].scales.x.min") == start
    opened.mouse.dblclick(box["x"] + 0.5 * box["width"], y)
    until(opened, f"{SPAN} > {zoomed}")
    assert opened.url.endswith("?range=1min")


def test_reading_at_the_cursor_stands_in_the_head_of_the_chart(opened: Page) -> None:
    opened.get_by_role("img", name="Temperature").focus()
    reading = opened.locator(".chart").filter(has_text="Temperature").locator("[data-at]")
    expect(reading).to_have_text(re.compile(r"^\d+\s°C$"))


def test_facts_are_listed_and_update(opened: Page, gpus: list[dict[str, Any]]) -> None:
    facts = opened.locator(".properties")
    expect(facts).to_contain_text(re.compile(rf"PCI bus\s*{gpus[0]['pci_bus_id']}"))
    expect(facts).to_contain_text(re.compile(r"PCIe link\s*Gen 5 ×16 of Gen 5 ×16"))
    expect(facts).to_contain_text(re.compile(r"Slowdown temp.\s*87\s°C"))


def test_links_and_mig_instances_are_listed(demo: Server, gpus: list[dict[str, Any]], open_page: OpenPage) -> None:
    split = next(gpu for gpu in gpus if gpu["mig_instances"])
    page = open_page(f"{demo.url}/gpu/{split['uuid']}")
    instances = page.get_by_role("region", name="MIG instances")
    for instance in split["mig_instances"]:
        row = instances.get_by_role("row").filter(has_text=instance["uuid"])
        expect(row).to_contain_text(instance["profile"])
        expect(row.get_by_role("cell").nth(5)).to_have_text(re.compile(r"^\d+\s%$"))
    line = page.get_by_text(re.compile(r"18 of 18 up · ↓\s[\d.]+\sGB/s\s+↑\s[\d.]+\sGB/s\s+· version 4"))
    link = page.get_by_role("listitem").filter(has_text="Link 17")
    expect(link).to_be_hidden()
    line.click()
    expect(link).to_contain_text("up")


def test_uuid_is_copied_by_a_button(opened: Page, gpus: list[dict[str, Any]]) -> None:
    opened.get_by_role("button", name="Copy UUID").click()
    expect(opened.get_by_role("button", name="Copied")).to_be_visible()
    assert opened.evaluate("navigator.clipboard.readText()") == gpus[0]["uuid"]
    expect(opened.get_by_role("button", name="Copy UUID")).to_be_visible()


def test_gpu_page_lists_only_its_own_processes(demo: Server, gpus: list[dict[str, Any]], open_page: OpenPage) -> None:
    page = open_page(f"{demo.url}/gpu/{gpus[3]['uuid']}?sort=pid&order=desc")
    pids = [str(process["pid"]) for process in gpus[3]["processes"]]
    assert page.locator("#processes tbody td:last-child").all_inner_texts() == sorted(pids, key=int, reverse=True)
    assert set(page.locator("#processes tbody td:nth-child(2)").all_inner_texts()) == {"3"}


def test_page_shows_charts_then_processes_alerts_and_facts(opened: Page) -> None:
    places = [opened.locator(each).bounding_box() for each in (".charts", "#processes", "#open-alerts", ".properties")]
    tops = [place["y"] for place in places if place is not None]
    assert len(tops) == 4
    assert tops == sorted(tops)


def test_links_lead_to_the_previous_and_the_next_gpu(
    demo: Server, gpus: list[dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page(f"{demo.url}/gpu/{gpus[0]['uuid']}")
    expect(page.locator("[rel=prev]")).to_have_count(0)
    page.get_by_role("link", name="GPU 1 ›").click()
    expect(page.locator(".page-head .gpu-index")).to_have_text("1")
    page.get_by_role("link", name="‹ GPU 0").click()
    expect(page.locator(".page-head .gpu-index")).to_have_text("0")
    page.goto(f"{demo.url}/gpu/{gpus[7]['uuid']}")
    expect(page.locator("[rel=next]")).to_have_count(0)


def test_pcie_has_a_legend_in_the_colours_of_its_lines(opened: Page) -> None:
    chart = opened.locator(".chart").filter(has_text="PCIe")
    assert chart.locator(".lines > span").all_inner_texts() == ["received", "sent"]
    colours = chart.locator(".lines > span").evaluate_all(
        "(names) => names.map((name) => getComputedStyle(name).color)"
    )
    assert opened.evaluate("[1, 4].map((place) => plots[5].series[place].stroke())") == colours
    expect(chart.locator("strong")).to_have_text(re.compile(r"^↓\s[\d.]+ ↑\s[\d.]+\sGB/s$"))


def test_unknown_uuid_shows_an_error_and_a_link_back(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url + "/gpu/GPU-nowhere", expecting=[NOT_FOUND])
    expect(page.get_by_role("heading", level=1)).to_contain_text("No such GPU")
    expect(page.get_by_role("main")).to_contain_text("GPU-nowhere")
    assert page.locator("[data-socket], [data-connection]").count() == 0  # nothing on it is live
    page.get_by_role("link", name=re.compile("^All GPUs on")).click()
    expect(page.get_by_role("article")).to_have_count(8)


def test_lost_gpu_is_shown_in_title_icon_and_chip_and_keeps_its_facts(
    fresh_host: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    uuid = fresh_host.json("/api/snapshot")["gpus"][1]["uuid"]
    page = open_page(f"{fresh_host.url}/gpu/{uuid}")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    driver.set({"gpu.1.lost": 1})
    expect(page.locator(".page-head .chip", has_text=re.compile(r"^Lost\s+\d\d:\d\d$"))).to_be_visible()
    expect(page).to_have_title(re.compile("^GPU 1 lost · "))
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("critical"))
    value = page.locator(".chart strong").first
    expect(value).to_have_text("—")
    expect(value).to_have_attribute("title", re.compile("lost"))
    expect(page.locator(".properties")).to_contain_text(re.compile(r"PCI bus\s*0000:"))
