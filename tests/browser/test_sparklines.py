"""The small charts: the last 60 seconds, always from 0 to 100, with a tooltip for pointer and keyboard."""

from __future__ import annotations

import re

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, until
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOOLTIP = re.compile(r"^(\d+)\s% of 100\s% · (\d+)\ss ago$")


def spark(page: Page, gpu: int, name: str) -> Locator:
    return page.get_by_role("img", name=f"{name} of GPU {gpu}")


def drawn(page: Page, count: int = 2) -> Page:
    until(page, f"plots.length >= {count} && plots.every((plot) => plot.data[0].length >= {count})")
    return page


def test_axis_runs_from_0_to_100_for_all_values(fresh_host: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    driver.set({"gpu.*.utilization": 3})
    page = drawn(open_page(fresh_host.url))
    assert page.evaluate("plots.map(({ scales: { y } }) => [y.min, y.max])") == [[0, 100]] * 4
    assert page.evaluate("plots.map(({ axes }) => axes[1]._values)") == [["0", "50", "100"]] * 4
    caption = spark(page, 0, "Utilization").locator("xpath=following-sibling::*[1]")
    expect(caption).to_have_text(re.compile(r"60\ss ago0–100\s%now"))


def test_chart_spans_60_seconds_for_any_number_of_points(host: Server, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url))
    spans = page.evaluate("plots.map(({ scales: { x } }) => x.max - x.min)")
    assert spans == pytest.approx([60] * 4)
    # A point's place follows from its time: the newest at the right edge, within the time of a few readings.
    until(page, "plots.every(({ data: [times], scales: { x } }) => Math.abs(x.max - times.at(-1)) < 1)")
    positions = page.evaluate(
        "plots.map((plot) => [plot.valToPos(plot.scales.x.max - 30, 'x'), plot.over.clientWidth / 2])"
    )
    assert all(at == pytest.approx(half, abs=1) for at, half in positions)


def test_gap_in_the_readings_is_a_gap_in_the_line(host: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url))
    pid = host.health()["sampler_pid"]
    psutil.Process(pid).suspend()  # longer than its time limit: the sampler is abandoned and another one started
    wait_for(lambda: host.health()["sampler_pid"] not in (None, pid), "a fresh sampler")
    wait_for(lambda: host.get("/api/health")[0] == 200, "readings to return")
    gaps = """plots.every(({ data: [times, values] }) => values.some((value, at) =>
      value === null && at > 0 && values[at - 1] !== null && values[at + 1] != null && times[at + 1] - times[at - 1] > 0.5))"""
    until(page, gaps)
    page.reload()  # the server knows the gap too
    drawn(page)
    until(page, gaps)  # a message's points are drawn in the next frame


def test_single_unknown_value_is_a_gap_too(fresh_host: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = drawn(open_page(fresh_host.url))
    driver.set({"gpu.1.utilization": "!999"})
    until(page, "plots[2].data[1].at(-1) === null && plots[0].data[1].at(-1) !== null")


def test_pointer_shows_value_limit_and_age(fresh_host: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    driver.set({"gpu.*.utilization": 37})
    page = drawn(open_page(fresh_host.url), 4)
    until(page, "plots[0].data[1].at(-1) === 37")
    box = spark(page, 0, "Utilization").locator(".u-over")
    size = box.bounding_box()
    assert size is not None
    box.hover(position={"x": size["width"] - 2, "y": 20})
    tooltip = spark(page, 0, "Utilization").locator(".tooltip")
    expect(tooltip).to_have_text(re.compile(r"^37\s% of 100\s% · \d\ss ago$"))
    page.mouse.move(1, 1)
    expect(tooltip).to_be_hidden()


def test_keyboard_shows_the_same_and_arrows_move_through_time(host: Server, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url), 4)
    until(page, "plots[0].data[0].at(-1) - plots[0].data[0][0] > 2")
    page.get_by_role("button", name="Pause").click()  # the curve would move on below the cursor
    chart = spark(page, 0, "Memory used")
    chart.focus()
    tooltip = chart.locator(".tooltip")
    expect(tooltip).to_have_text(TOOLTIP)
    for _ in range(15):
        page.keyboard.press("ArrowLeft")
    expect(tooltip).to_have_text(re.compile(r"· [1-9]\d*\ss ago$"))
    page.keyboard.press("Home")
    assert page.evaluate("plots[1].cursor.idx") == 0
    expect(page.locator("p[role=status]").last).to_have_text(TOOLTIP)  # a screen reader announces it
    page.keyboard.press("End")
    expect(tooltip).to_have_text(re.compile(r"· [0-2]\ss ago$"))
    page.keyboard.press("Tab")
    expect(tooltip).to_be_hidden()


def test_clock_set_back_drops_the_points_of_the_future(host: Server, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url), 4)
    page.evaluate(
        """() => {
          // An hour ago, by the server's new clock: its real messages are no longer heard.
          const start = plots[0].data[0].at(-1) - 3600;
          addEventListener("gpumon:message", (event) => event.detail.ours || event.stopPropagation(), true);
          const uuid = document.querySelector("[data-gpu]").dataset.gpu;
          for (let second = 0; second < 5; second += 1) {
            const time = start + second;
            const points = { time: [time], gpus: [uuid], series: { utilization_percent: [[second]] } };
            const tab = { title: "", level: "ok" };
            const detail = { ours: true, kind: "delta", ...tab, points, poll_interval_seconds: 1, time };
            document.dispatchEvent(new CustomEvent("gpumon:message", { detail }));
          }
        }"""
    )
    until(page, "plots[0].data[1].at(-1) === 4")
    times = page.evaluate("plots[0].data[0]")
    assert len(times) == 5
    assert times == sorted(times)
    until(page, f"plots[0].scales.x.max === {times[-1]}")


def test_cursor_is_at_the_same_time_in_all_charts(host: Server, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url), 4)
    box = spark(page, 0, "Utilization").locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 10)
    until(page, "plots.every(({ cursor }) => cursor.left > 0)")
    shares = page.evaluate("plots.map(({ cursor, over }) => cursor.left / over.clientWidth)")
    assert shares == pytest.approx([0.7] * 4, abs=0.02)
    expect(page.locator(".tooltip:visible")).to_have_count(1)


def test_charts_are_drawn_only_while_in_view(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url, viewport={"width": 500, "height": 600})
    until(page, "plots.length >= 2")
    assert page.evaluate("plots.length") < 16
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    # Charts out of view stand still while others go on.
    page.evaluate("window.heard = 0; document.addEventListener('gpumon:message', () => { heard += 1; })")
    until(page, "heard > 1")
    then = page.evaluate("plots[0].scales.x.max")
    until(page, "heard > 4")
    assert page.evaluate("plots[0].scales.x.max") == then
    page.evaluate("scrollTo(0, 0)")
    until(page, f"plots[0].scales.x.max > {then}")


def test_chart_follows_the_size_of_its_box(host: Server, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url))
    fits = "plots.every((plot) => plot.width === plot.root.parentElement.clientWidth)"
    before = page.evaluate("plots[0].width")
    page.set_viewport_size({"width": 800, "height": 900})
    until(page, f"plots[0].width !== {before} && {fits}")


def test_chart_uses_every_pixel_of_a_dense_screen(host: Server, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url, device_scale_factor=2))
    assert page.evaluate("plots.every(({ ctx, width }) => ctx.canvas.width === 2 * width)")


def test_colours_follow_the_theme(host: Server, open_page: OpenPage) -> None:
    page = drawn(open_page(host.url, color_scheme="dark"))
    dark = page.evaluate("plots[0].series[1].stroke()")
    page.get_by_role("button", name="Switch between dark and light").click()
    until(page, f"plots[0].series[1].stroke() !== '{dark}'")
