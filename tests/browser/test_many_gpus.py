"""64 GPUs on one page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.serving import start
from tests.support.pages import WIDTHS, OpenPage, too_wide, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("farm"), telemetry_provider="simulated", simulated_gpus=64)
    yield server
    server.stop()


def test_many_gpus_are_shown_as_tiles_by_default_and_as_cards_on_request(farm: Server, open_page: OpenPage) -> None:
    page = open_page(farm.url)
    tiles = page.locator("a.tile")
    expect(tiles).to_have_count(64)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    expect(tiles.nth(63)).to_contain_text(re.compile(r"^63"))
    expect(page.get_by_role("link", name="Tiles")).to_have_attribute("aria-current", "true")
    page.keyboard.press("t")
    expect(page.get_by_role("article")).to_have_count(64)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    assert too_wide(page) == []
    until(page, "plots.length > 0")
    assert page.evaluate("plots.length") < 64  # only charts in view


def test_tile_updates_its_number_and_its_depth_of_colour(farm: Server, open_page: OpenPage) -> None:
    page = open_page(farm.url)
    state = "[...document.querySelectorAll('.tile')].map((tile) => [tile.dataset.heat, tile.querySelector('strong').textContent])"
    before = page.evaluate(state)
    until(page, f"JSON.stringify({state}) !== `{page.evaluate(f'JSON.stringify({state})')}`")
    for heat, text in [*before, *page.evaluate(state)]:
        if heat:
            assert abs(int(heat) * 10 - int(re.sub(r"\D", "", text))) <= 5


def test_tile_links_to_its_gpu(farm: Server, open_page: OpenPage) -> None:
    page = open_page(farm.url)
    page.locator("a.tile").nth(40).click()
    expect(page.locator(".page-head .gpu-index")).to_have_text("40")
    expect(page.locator("[data-connection]")).to_have_text("Live")


def test_nothing_scrolls_sideways(farm: Server, open_page: OpenPage) -> None:
    page = open_page(farm.url)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    assert too_wide(page, WIDTHS) == []


def test_digit_jumps_to_that_gpu(farm: Server, open_page: OpenPage) -> None:
    page = open_page(farm.url)
    page.keyboard.press("7")
    assert page.evaluate("document.activeElement.dataset.gpuLink") == "7"
    expect(page.locator("a.tile").nth(7)).to_be_in_viewport()
