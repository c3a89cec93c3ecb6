"""Without JavaScript, pages show the values of the moment, and sort and filter by links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import OpenPage
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def plain(open_page: OpenPage, url: str) -> Page:
    return open_page(url, java_script_enabled=False)


@contextmanager
def next_page(page: Page) -> Iterator[None]:
    """The block leads to another page. Waits until all of it has loaded, because its texts are read only once."""
    with page.expect_navigation():
        yield


def column(page: Page, title: str) -> list[str]:
    titles = [text.strip() for text in page.locator("#processes thead th").all_text_contents()]
    return page.locator(f"#processes tbody td:nth-child({titles.index(title) + 1})").all_text_contents()


def test_dashboard_is_readable(demo: Server, open_page: OpenPage) -> None:
    page = plain(open_page, demo.url)
    assert page.get_by_role("article").count() == 8
    for card in page.get_by_role("article").all():
        text = card.inner_text()
        assert re.search(r"Utilization\s*(\d+\s%|—)", text)
        assert re.search(r"Memory\s*[\d.]+ / 80.0\sGiB", text)
        assert re.search(r"Temperature\s*\d+\s°C", text)
        assert re.search(r"Power\s*\d+ / 700\sW", text)
    assert re.search(r"GPUs\s*8\s*\d busy", page.get_by_label("Totals").inner_text())
    assert "torchrun" in page.get_by_role("row").nth(1).inner_text()
    expect(page.get_by_text("no real GPU is being read")).to_be_visible()
    expect(page.get_by_role("status").first).to_have_text("Not live")


@pytest.mark.parametrize("path", ["/", "/?layout=tiles", "/gpu/{uuid}"])
def test_controls_that_need_a_script_are_hidden(demo: Server, open_page: OpenPage, path: str) -> None:
    uuid = demo.json("/api/snapshot")["gpus"][0]["uuid"]
    page = plain(open_page, demo.url + path.format(uuid=uuid))
    works = page.locator("form[method=get] button[type=submit]")
    assert page.get_by_role("button").count() == works.and_(page.locator(":visible")).count()
    assert page.locator("[data-needs-script]").count() > 0


def test_ribbons_are_pages(demo: Server, open_page: OpenPage) -> None:
    page = plain(open_page, demo.url)
    with next_page(page):
        page.get_by_role("link", name="Who used the GPUs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who used the GPUs in the last 24 hours")
    expect(page.get_by_role("region", name="GPU 7")).to_be_visible()
    with next_page(page):
        page.get_by_role("link", name="GPU 3").click()
    with next_page(page):
        page.get_by_role("link", name="Who used this GPU in this span").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who used GPU 3")
    expect(page).to_have_url(re.compile("range="))


def test_columns_sort_by_links(demo: Server, open_page: OpenPage) -> None:
    page = plain(open_page, demo.url)
    link = page.get_by_role("columnheader", name="PID")
    with next_page(page):
        link.get_by_role("link").click()
    pids = [int(pid) for pid in column(page, "PID")]
    assert pids == sorted(pids)
    expect(link).to_have_attribute("aria-sort", "ascending")
    with next_page(page):
        link.get_by_role("link").click()
    assert [int(pid) for pid in column(page, "PID")] == sorted(pids, reverse=True)
    expect(link).to_have_attribute("aria-sort", "descending")


def test_filter_is_a_form_that_keeps_the_sorting(demo: Server, open_page: OpenPage) -> None:
    page = plain(open_page, demo.url + "/?sort=pid&order=desc")
    page.get_by_role("searchbox").fill("vllm")
    with next_page(page):
        page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"sort=pid&order=desc&filter=vllm"))
    expect(page.get_by_role("searchbox")).to_have_value("vllm")
    assert all("vllm" in command for command in column(page, "Command"))
    assert column(page, "Command")


def test_sorting_and_filtering_keep_the_layout(demo: Server, open_page: OpenPage) -> None:
    page = plain(open_page, demo.url + "/?layout=tiles")
    with next_page(page):
        page.get_by_role("columnheader", name="User").get_by_role("link").click()
    assert page.get_by_role("article").count() == 0
    page.get_by_role("searchbox").fill("mira")
    with next_page(page):
        page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("filter=mira"))
    assert page.get_by_role("article").count() == 0
    with next_page(page):
        page.get_by_role("link", name="Cards").click()
    assert set(column(page, "User")) == {"mira"}
    expect(page.get_by_role("columnheader", name="User")).to_have_attribute("aria-sort", "ascending")


def test_each_gpu_has_its_own_page(demo: Server, open_page: OpenPage) -> None:
    page = plain(open_page, demo.url)
    with next_page(page):
        page.get_by_role("article").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("GPU 0, H100 80GB HBM3")
    main = page.get_by_role("main").inner_text()
    assert re.search(r"Utilization\s*0–100\s%\s*\d+\s%", main)
    assert re.search(r"PCI bus\s*0000:1b:00.0", main)
    assert "torchrun" in main
