"""The charts of a GPU's page over stored history: ranges, zoom, address, gaps, alerts, files."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stored import GAP, stand_in
from tests.support.pages import OpenPage, box_of, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SPAN = "Math.round(plots[0].scales.x.max - plots[0].scales.x.min)"
DAY = 86400


@pytest.fixture
def gpu(demo: Server) -> dict[str, Any]:
    answer: dict[str, Any] = demo.json("/api/snapshot")["gpus"][0]
    return answer


@pytest.fixture
def opened(demo: Server, gpu: dict[str, Any], open_page: OpenPage) -> Page:
    """The last 24 hours, opened by an address."""
    page = open_page("about:blank")
    stand_in(page, [gpu["uuid"]])
    page.goto(f"{demo.url}/gpu/{gpu['uuid']}?range=24h")
    until(page, "plots.length === 6 && plots[0].data[0].length > 100")
    return page


def drag(page: Page, start: float, end: float) -> None:
    box = box_of(page.locator(".u-over").first)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=5)
    page.mouse.up()


def test_address_opens_a_range_with_mean_and_band_and_names_the_bucket_once(opened: Page) -> None:
    assert opened.evaluate(SPAN) == pytest.approx(DAY, abs=300)
    expect(opened.locator("[data-range][aria-current]")).to_have_text(re.compile(r"^24\sh$"))
    expect(opened.locator("[data-bucket]")).to_have_text(re.compile(r"^4\smin buckets: line = mean, band = min–max$"))
    # Time, then mean, lowest and highest of each line.
    assert opened.evaluate("plots.map(({ data }) => data.length)") == [4, 4, 4, 4, 4, 7]
    assert opened.evaluate("plots[0].data.slice(1).map((column) => column[0])") == [50, 40, 60]
    assert opened.evaluate("plots[0].bands.map(({ series }) => series)") == [[3, 2]]
    assert opened.evaluate("plots.slice(0, 2).map(({ scales: { y } }) => [y.min, y.max])") == [[0, 100]] * 2


def test_another_range_is_shown_without_loading_the_page_and_put_into_the_address(opened: Page) -> None:
    opened.evaluate("window.isSame = true")
    opened.get_by_role("link", name=re.compile(r"^7\sd$")).click()
    until(opened, f"{SPAN} > {6.9 * DAY}")
    assert opened.url.endswith("?range=7d")
    csv = opened.get_by_role("link", name="CSV").get_attribute("href")
    assert csv is not None
    assert "range=7d&points=" in csv
    assert csv.endswith("&format=csv")
    assert "metric=utilization_percent%2C" in csv
    opened.go_back()
    until(opened, f"{SPAN} < {1.1 * DAY}")
    assert opened.evaluate("window.isSame")


def test_dragging_zooms_all_charts_and_double_clicks_lead_back(opened: Page) -> None:
    before = opened.evaluate("plots[0].scales.x.min")
    drag(opened, 0.6, 0.8)
    until(opened, f"Math.abs({SPAN} - {0.2 * DAY}) < {0.01 * DAY}")
    assert opened.evaluate("plots[0].scales.x.min") == pytest.approx(before + 0.6 * DAY, abs=0.01 * DAY)
    assert re.search(r"\?from=20\d\d-.*Z&to=20\d\d-.*Z$", opened.evaluate("decodeURIComponent(location.href)"))
    zoomed = opened.evaluate("plots.map(({ scales: { x } }) => [x.min, x.max])")
    assert zoomed == [zoomed[0]] * 6
    expect(opened.locator("[data-range][aria-current]")).to_have_count(0)
    drag(opened, 0.25, 0.75)
    until(opened, f"{SPAN} < {0.11 * DAY}")
    for seconds in (0.2 * DAY, DAY):
        opened.locator(".u-over").first.dblclick()
        until(opened, f"Math.abs({SPAN} - {seconds}) < {0.01 * DAY}")
    assert opened.url.endswith("?range=24h")


def touch(page: Page, points: list[tuple[float, float]]) -> None:
    """One finger on the first chart, from the first of these points to the last; in parts of its width and height."""
    box = box_of(page.locator(".u-over").first)
    session = page.context.new_cdp_session(page)
    places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points]
    for kind, place in zip(["touchStart", *["touchMove"] * (len(places) - 1)], places, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("press", ["click", "tap"])
def test_single_press_does_not_zoom(opened: Page, press: str) -> None:
    """It focused the chart, which set the cursor to the end, and so selected all from the press to there."""
    opened.evaluate("addEventListener('click', () => { window.isPressed = true })")
    if press == "tap":
        touch(opened, [(0.3, 0.5)])
    else:
        opened.locator(".u-over").first.click()
    until(opened, "window.isPressed")
    assert opened.evaluate(SPAN) == pytest.approx(DAY, abs=300)
    assert opened.url.endswith("?range=24h")


def test_finger_dragged_sideways_zooms(opened: Page) -> None:
    before = opened.evaluate("plots[0].scales.x.min")
    touch(opened, [(0.8, 0.5), (0.75, 0.5), (0.7, 0.5), (0.6, 0.52)])
    until(opened, f"Math.abs({SPAN} - {0.2 * DAY}) < {0.02 * DAY}")
    assert opened.evaluate("plots[0].scales.x.min") == pytest.approx(before + 0.6 * DAY, abs=0.02 * DAY)
    assert "from=" in opened.url


def test_link_to_a_span_shows_a_colleague_the_same(
    demo: Server, gpu: dict[str, Any], opened: Page, open_page: OpenPage
) -> None:
    drag(opened, 0.6, 0.8)
    until(opened, f"{SPAN} < {0.3 * DAY}")
    shown = opened.evaluate("[plots[0].scales.x.min, plots[0].scales.x.max]")
    other = open_page("about:blank", timezone_id="Asia/Tokyo")
    stand_in(other, [gpu["uuid"]])
    other.goto(opened.url)
    until(other, "plots.length === 6")
    assert other.evaluate("[plots[0].scales.x.min, plots[0].scales.x.max]") == pytest.approx(shown, abs=0.01)


def test_arrows_step_by_one_range_and_end_at_now(opened: Page) -> None:
    later, earlier = opened.get_by_label("Later by one range"), opened.get_by_label("Earlier by one range")
    expect(later).to_have_attribute("aria-disabled", "true")
    newest = opened.evaluate("plots[0].scales.x.max")
    for steps in (1, 2):
        earlier.click()
        until(opened, f"Math.abs(plots[0].scales.x.max - {newest - steps * DAY}) < 60")
    later.click()
    until(opened, f"Math.abs(plots[0].scales.x.max - {newest - DAY}) < 60")
    later.click()
    until(opened, f"plots[0].scales.x.max > {newest - 60}")
    expect(opened.locator("[data-range][aria-current]")).to_have_text(re.compile(r"^24\sh$"))


def test_date_fields_choose_any_span(opened: Page) -> None:
    opened.get_by_label("From", exact=True).fill("2026-03-01T10:00:00")
    opened.get_by_label("To", exact=True).fill("2026-03-01T12:30:00")
    until(opened, f"{SPAN} === 9000")
    local = opened.evaluate("new Date('2026-03-01T10:00:00').getTime() / 1000")
    assert opened.evaluate("plots[0].scales.x.min") == local


def test_gap_is_no_line_but_a_hatch_with_its_reason(opened: Page) -> None:
    expect(opened.locator("[data-lane] > *").first).to_have_text(f"▨ {GAP}")
    assert opened.locator("[data-lane]").filter(has_text=GAP).count() == 6
    assert opened.evaluate("plots[0].data[1].filter((value) => value === null).length") == 1
    box = box_of(opened.locator(".u-over").first)
    opened.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 20)
    reading = opened.locator("[data-at]").first
    expect(reading).to_have_text(f"no data · {GAP}")
    opened.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 20)
    expect(reading).to_have_text(re.compile(r"^mean 50 · 40–60\s%$"))


def test_charts_share_the_cursor_and_its_time(opened: Page) -> None:
    box = box_of(opened.locator(".u-over").first)
    opened.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 20)
    readings = opened.locator("[data-at]")
    expect(readings.nth(1)).to_have_text(re.compile(r"^mean 50 · 40–60\s%$"))
    expect(readings.nth(5)).to_have_text(re.compile(r"^↓ 0\.0 ↑ 0\.0\sGB/s$"))
    assert len(set(opened.locator(".pill:visible").all_inner_texts())) == 1
    opened.mouse.move(box["x"], box["y"] - 200)
    expect(readings.first).to_have_text("")


def test_keys_read_bucket_by_bucket(opened: Page) -> None:
    chart = opened.get_by_role("img", name="Temperature")
    chart.focus()
    last = opened.evaluate("plots[2].cursor.idx")
    opened.keyboard.press("ArrowLeft")
    assert opened.evaluate("plots[2].cursor.idx") == last - 1
    opened.keyboard.press("PageUp")
    assert opened.evaluate("plots[2].cursor.idx") == last - 21
    spoken = opened.locator("p.visually-hidden[role=status]")
    expect(spoken).to_have_text(re.compile(r"^\d\d:\d\d: mean 50 · 40–60\s°C$"))


def test_alert_is_shaded_and_linked_in_the_chart_of_its_metric(opened: Page) -> None:
    end = time.time() - 3 * 3600
    period = ["1", end - 7200, end, "critical", "gpu.temperature_celsius", "", "/alerts#1", "88 °C, 2 h"]
    colour = """({ bbox: { left, top, width, height }, ctx }, at) =>
        [...ctx.getImageData(left + at * width, top + 0.25 * height, 1, 1).data].slice(0, 3).join()"""
    before = [opened.evaluate(f"({colour})(plots[{place}], 0.83)") for place in (0, 2)]
    opened.evaluate(f"document.getElementById('in-span').dataset.periods = {json.dumps(json.dumps([period]))}")
    opened.evaluate("document.dispatchEvent(new CustomEvent('gpumon:past'))")
    link = opened.locator(".chart").filter(has_text="Temperature").locator("[data-lane] a")
    expect(link).to_have_text("◆ 88 °C, 2 h")
    expect(link).to_have_attribute("href", "/alerts#1")
    expect(opened.locator("[data-lane] a")).to_have_count(1)
    until(opened, f"({colour})(plots[2], 0.83) !== '{before[1]}'")
    assert opened.evaluate(f"({colour})(plots[0], 0.83)") == before[0]


HURRY = """
const wait = window.setTimeout;
window.setTimeout = (then, ms, ...rest) => wait(then, ms >= 2000 && ms < 60000 ? 100 : ms, ...rest);
"""
"""Runs in the page before its scripts: what waits for some seconds waits for a tenth of one."""


def test_range_that_ends_now_moves_on(demo: Server, gpu: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page("about:blank", init=HURRY)
    stand_in(page, [gpu["uuid"]])
    page.goto(f"{demo.url}/gpu/{gpu['uuid']}?range=1h")
    until(page, "plots.length === 6")
    end = page.evaluate("plots[0].scales.x.max")
    until(page, f"plots[0].scales.x.max > {end}")


def test_chart_is_saved_as_png(opened: Page) -> None:
    with opened.expect_download() as download:
        opened.get_by_role("button", name="Power: save as PNG").click()
    assert re.fullmatch(r"GPU-0-.*-Power\.png", download.value.suggested_filename)
    assert download.value.path().read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_refused_request_says_why_and_keeps_what_is_shown(opened: Page) -> None:
    opened.unroute_all()
    opened.route(
        "**/api/history?*",
        lambda route: route.fulfill(status=200, content_type="application/json", body='{"series": 1}'),
    )
    opened.get_by_role("link", name=re.compile(r"^30\sd$")).click()
    expect(opened.locator("[data-bucket]")).to_have_text(re.compile("^No history: "))
    assert opened.evaluate("plots[0].data[0].length") > 100


def test_times_on_the_axis_follow_the_local_clock_through_its_change(opened: Page, open_page: OpenPage) -> None:
    page = open_page(opened.url, timezone_id="Europe/Berlin")
    ticks = """async ([start, end, count]) => {
        const { splits, label } = await import(document.querySelector("[data-ticks]").dataset.ticks);
        const found = splits(start, end, count);
        return found.map((at) => label(at, found, end - start));
    }"""
    page.evaluate("""document.body.dataset.ticks = [...performance.getEntriesByType("resource")]
        .find(({ name }) => name.includes("ticks")).name""")
    # 25 October 2026 has 25 hours there, 29 March 23.
    autumn = [1792875600, 1792875600 + 36 * 3600, 6]
    assert page.evaluate(ticks, autumn) == ["25 Oct", "06:00", "12:00", "18:00", "26 Oct", "06:00"]
    spring = [1774738800, 1774738800 + 36 * 3600, 6]
    assert page.evaluate(ticks, spring) == ["29 Mar", "06:00", "12:00", "18:00", "30 Mar", "06:00", "12:00"]
    assert page.evaluate(ticks, [1767222000, 1767222000 + 365 * DAY, 6])[:3] == ["Jan 2026", "Mar 2026", "May 2026"]
