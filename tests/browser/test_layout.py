"""Where things are: cards, tiles, the header and the wall screen, at several widths, font sizes and numbers of GPUs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.browser.serving import start
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import NO_SERVER, PHONES, OpenPage, box_of, cookies_of, too_wide, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOXES = "(all) => all.map((each) => each.getBoundingClientRect().toJSON())"


def boxes(page: Page, selector: str) -> list[FloatRect]:
    found: list[FloatRect] = page.locator(selector).evaluate_all(BOXES)
    return found


def live(page: Page) -> Page:
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("farm"), telemetry_provider="simulated", simulated_gpus=64)
    server.make_superuser()
    yield server
    server.stop()


def test_eight_cards_are_in_rows_of_the_same_length(demo: Server, open_page: OpenPage) -> None:
    """At 2560 pixels they once were six and two."""
    page = live(open_page(demo.url))
    for width, columns in ((390, 1), (1000, 2), (1181, 4), (1440, 4), (2560, 4)):
        page.set_viewport_size({"width": width, "height": 900})
        rows = Counter(card["y"] for card in boxes(page, ".gpu"))
        assert set(rows.values()) == {columns}, width


@pytest.mark.parametrize(("count", "share", "height"), [(1, 0.98, 150), (2, 0.48, 120), (3, 0.31, 62)])
def test_few_cards_are_wide_and_their_curves_high(
    tmp_path: Path, open_page: OpenPage, count: int, share: float, height: int
) -> None:
    server = start(tmp_path, telemetry_provider="simulated", simulated_gpus=count)
    try:
        page = live(open_page(server.url, expecting=[NO_SERVER]))
        whole = box_of(page.locator(".gpus"))["width"]
        cards = boxes(page, ".gpu")
        assert len(cards) == count
        assert all(card["width"] > share * whole for card in cards)
        until(page, f"plots.length === {2 * count} && plots.every((plot) => plot.height === {height})")
    finally:
        server.stop()


def test_header_totals_and_content_share_their_edges(demo: Server, open_page: OpenPage) -> None:
    page = live(open_page(demo.url))
    for width in (320, 390, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        left, right = box_of(page.locator(".brand"))["x"], page.locator(".header-tools button:visible").last
        edge = box_of(right)
        for selector in (".totals", ".gpus", ".lower"):
            box = box_of(page.locator(selector))
            assert box["x"] == pytest.approx(left, abs=1), (selector, width)
            assert box["x"] + box["width"] == pytest.approx(edge["x"] + edge["width"], abs=1), (selector, width)


def test_facts_line_up_and_nothing_of_a_card_moves_while_values_change(
    fresh_host: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = live(open_page(fresh_host.url))
    places = """[...document.querySelectorAll('.gpu')].map((card) => [...card.querySelectorAll('.facts > div, .spark, .gpu-foot')]
      .map((each) => [each.getBoundingClientRect().x - card.getBoundingClientRect().x, each.getBoundingClientRect().y]))"""
    first, second = page.evaluate(places)
    assert first == second
    driver.set(
        {"gpu.0.power_mw": 9_000, "gpu.0.sm_clock_mhz": 9, "gpu.0.fan_speeds": "100,9", "gpu.0.clock_reasons": "0x64"}
    )
    expect(page.get_by_role("article").first.locator(".chip").first).to_have_text("Thermal")
    assert page.evaluate(places) == [first, first]


def test_chips_leave_the_name_its_place(fresh_host: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    driver.set({"gpu.*.name": "NVIDIA H100 80GB HBM3", "gpu.0.clock_reasons": "0xe4", "gpu.0.mig": "off"})
    page = live(open_page(fresh_host.url, viewport={"width": 390, "height": 900}))
    card = page.get_by_role("article").first
    expect(card.locator(".chip")).to_have_count(2)
    name = card.locator(".gpu-name")
    assert name.evaluate("(name) => name.scrollWidth === name.clientWidth")


HOLD = """
window.held = [];
const wait = window.setTimeout;
window.setTimeout = (then, ms, ...rest) => (ms === 10000 ? held.push(then) : wait(then, ms, ...rest));
"""
"""Runs in the page before its scripts: timers of 10 s run when the test runs those in `held`."""


def test_chip_that_comes_and_goes_stays_for_ten_seconds(
    fresh_host: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    """The chip of the power cap once changed ten times in 15 s."""
    page = live(open_page(fresh_host.url, init=HOLD))
    chips = page.locator("#g0-chips")
    chip = chips.get_by_text("Power cap")
    expect(chip).to_be_hidden()
    without = chips.get_attribute("data-key")
    for _ in range(3):
        driver.set({"gpu.0.clock_reasons": "0x4"})
        until(page, f"document.getElementById('g0-chips').dataset.key !== '{without}'")
        assert chip.is_visible()
        expect(chip).not_to_have_attribute("data-is-over", "")
        driver.set({"gpu.0.clock_reasons": "0x0"})
        until(page, f"document.getElementById('g0-chips').dataset.key === '{without}'")
        assert chip.is_visible()
        expect(chip).to_have_attribute("data-is-over", "")  # the sentence below says that nothing slows the GPU down
        expect(chip).to_have_attribute("title", re.compile("^No longer; shown for 10 s. Throttled"))
    page.evaluate("for (const then of held) then()")
    expect(chip).to_be_hidden()


def test_phone_shows_everything_when_logged_in_below_a_header_of_two_rows(farm: Server, open_page: OpenPage) -> None:
    page = open_page("about:blank")
    page.context.add_cookies(cookies_of(farm.url, "root"))
    for path in ("/", "/?layout=cards", "/alerts", "/history", "/gpu/GPU-51e0cade-0002-4000-8000-000000000002"):
        page.goto(farm.url + path)
        live(page)
        for words, count in (("Live", "2"), ("Reconnecting, 31 s", "128")):
            page.evaluate("(words) => { document.querySelector('[data-connection]').textContent = words }", words)
            page.evaluate("(count) => { document.querySelector('.nav .count').textContent = count }", count)
            for width in PHONES:
                assert too_wide(page, (width,)) == [], path
                tops = {
                    round((box["y"] + box["height"] / 2) / 20)
                    for box in boxes(page, ".topbar > :not([hidden])")
                    if box["width"]
                }
                assert len(tops) == 2, (path, width, words)
                assert box_of(page.get_by_role("banner"))["height"] < 100, (path, width, words)


@pytest.mark.parametrize("path", ["/", "/?layout=cards", "/gpu/GPU-51e0cade-0007-4000-8000-000000000007", "/alerts"])
def test_nothing_scrolls_sideways_in_a_font_twice_as_large(farm: Server, open_page: OpenPage, path: str) -> None:
    page = live(open_page(farm.url + path, bypass_csp=True))
    page.add_style_tag(content="html { font-size: 200% }")
    assert too_wide(page, (390, 1280)) == []


@pytest.mark.parametrize("path", ["/", "/?layout=cards", "/history", "/usage", "/alerts"])
def test_nothing_scrolls_sideways_at_a_minimum_font_size(farm: Server, open_page: OpenPage, path: str) -> None:
    """Regression: the header did not wrap above the width of a phone."""
    page = open_page(farm.url + path, bypass_csp=True, viewport={"width": 800, "height": 600})
    page.add_style_tag(content="* { font-size: 24px !important }")
    assert too_wide(page) == []


def test_larger_font_of_the_browser_enlarges_every_text(demo: Server, open_page: OpenPage) -> None:
    page = live(open_page(demo.url, bypass_csp=True))
    fixed = page.evaluate("""() => {
      const all = [...document.querySelectorAll("body *")];
      const sizes = () => all.map((each) => parseFloat(getComputedStyle(each).fontSize));
      const before = sizes();
      document.documentElement.style.fontSize = "150%";
      const after = sizes();
      return all.filter((_, place) => after[place] < 1.49 * before[place]).map(({ outerHTML }) => outerHTML);
    }""")
    assert fixed == []


def test_header_scrolls_away_where_the_screen_is_low(farm: Server, open_page: OpenPage) -> None:
    """At a zoom of 400 % it once hid half of the page."""
    page = live(open_page(farm.url, viewport={"width": 320, "height": 256}))
    assert too_wide(page) == []
    page.evaluate("scrollTo(0, 600)")
    assert page.evaluate("document.querySelector('.topbar').getBoundingClientRect().bottom") < 0


def test_tiles_are_equally_high_and_a_column_is_a_slot(farm: Server, open_page: OpenPage) -> None:
    page = live(open_page(farm.url))
    tiles = boxes(page, ".tile")
    assert len({tile["height"] for tile in tiles}) == 1
    assert len({tile["x"] for tile in tiles}) == 8
    words = page.locator(".tile .line:last-child > :first-child").all_inner_texts()
    assert {"busy", "idle-held", "free", "MIG 2 of 3"} <= {word for word in words if not word.startswith("too hot")}
    shapes = {
        use: page.evaluate(
            "(use) => { const { backgroundImage, backgroundColor, borderTopWidth } = "
            "getComputedStyle(document.querySelector(`.tile[data-use=${use}] .cell`)); "
            "return [backgroundImage, backgroundColor !== 'rgba(0, 0, 0, 0)', borderTopWidth].join(); }",
            use,
        )
        for use in ("busy", "held", "free", "mig")
    }
    assert len(set(shapes.values())) == 4, shapes


@pytest.mark.parametrize("name", ["demo", "farm"])
def test_wall_screen_fits_without_scrolling(request: pytest.FixtureRequest, open_page: OpenPage, name: str) -> None:
    server: Server = request.getfixturevalue(name)
    page = live(open_page(f"{server.url}/?kiosk=1&layout=cards"))
    expect(page.locator("#alerts-link")).to_contain_text("Alerts")
    assert page.get_by_role("table").count() == 0
    whole = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    cut = "[...document.querySelectorAll('.gpu, .tile')].filter((each) => each.scrollHeight > each.clientHeight + 1)"
    for width, height in ((1024, 768), (1920, 1080), (2560, 1080), (1080, 1920), (3840, 2160)):
        page.set_viewport_size({"width": width, "height": height})
        until(page, f"innerWidth === {width} && {cut}.length === 0")
        assert page.evaluate(whole) == [width, height]
        found = boxes(page, ".gpu, .tile")
        assert len(found) == (8 if name == "demo" else 64)
        assert all(each["x"] >= 0 and each["x"] + each["width"] <= width for each in found), (width, height)
        assert all(each["y"] + each["height"] <= height for each in found), (width, height)


def test_sizes_of_the_wall_screen_grow_with_the_screen(demo: Server, open_page: OpenPage) -> None:
    def sizes(width: int, height: int) -> list[float]:
        page = live(open_page(f"{demo.url}/?kiosk=1", viewport={"width": width, "height": height}))
        found: list[float] = page.evaluate(
            "['.reading dd', '.facts dd', '.totals dd'].map((each) => "
            "parseFloat(getComputedStyle(document.querySelector(each)).fontSize))"
        )
        return found

    assert sizes(3840, 2160) == pytest.approx([2 * size for size in sizes(1920, 1080)], rel=0.02)


def test_tooltip_is_beside_the_curve(demo: Server, open_page: OpenPage) -> None:
    """It once hid what it described."""
    gpu = "/gpu/GPU-51e0cade-0002-4000-8000-000000000002"
    for path, name, words in (("/", "Memory used of GPU 0", ".tooltip"), (gpu, "Temperature", ".pill")):
        page = live(open_page(demo.url + path))
        until(page, "plots.length > 1 && plots[0].data[0].length > 1")
        chart = page.get_by_role("img", name=name)
        chart.focus()
        tooltip, curve = box_of(chart.locator(words)), box_of(chart.locator(".u-over"))
        assert tooltip["y"] + tooltip["height"] <= curve["y"] or tooltip["y"] >= curve["y"] + curve["height"]


def test_print_draws_every_chart_in_light_colours_and_the_whole_table(demo: Server, open_page: OpenPage) -> None:
    page = live(open_page(demo.url, color_scheme="dark", viewport={"width": 700, "height": 600}))
    until(page, "plots.length >= 2")
    assert page.evaluate("plots.length") < 16
    screen = page.evaluate("plots[0].series[1].stroke()")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("plots.length") == 16
    assert {stroke != screen for stroke in page.evaluate("plots.map(({ series }) => series[1].stroke())")} == {True}
    assert too_wide(page) == []
    cut: Any = page.evaluate(
        "[...document.querySelectorAll('#processes td')].filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length"
    )
    assert cut == 0
    assert page.evaluate("getComputedStyle(document.querySelector('.topbar'), '::after').display") == "none"
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("plots[0].series[1].stroke()") == screen
