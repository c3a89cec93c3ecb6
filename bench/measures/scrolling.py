"""Whether 64 GPUs scroll smoothly while every value changes: the page's long tasks against those of its floor.

The floor (floors/page.py) is a page with the same elements and styles that sets the same texts, and draws each chart once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import mean, median
from typing import NamedTuple

from playwright.sync_api import Browser, Page

from bench.chromium import HEIGHT, opened, tasks_during
from bench.figures import Figure
from bench.floors.page import floor_of
from bench.serving import replaying
from tests.support.chromium import chromium

_MANY, _HZ = 64, 2
_ROUNDS, _SETTLE_SECONDS = 3, 3.0
_NOTCHES, _NOTCH_PIXELS, _NOTCH_SECONDS = 100, 120, 0.05
_SCROLL_SECONDS = 2 * _NOTCHES * _NOTCH_SECONDS
_LONG_SECONDS = 0.05
"""The browsers' definition of a long task. Their number depends on the machine, and so only explains the ratio."""
_BOUND = 1.3
"""The page's extra work over the texts (attributes, parts of HTML, charts) must not make the scrolling visibly less smooth."""


class Scroll(NamedTuple):
    """The main thread's tasks in one scroll, in seconds of CPU."""

    longest: float
    """The mean of the longest tasks, one for each tick: each tick has at least one that interrupts the scrolling."""
    share: float
    """All tasks, as a share of the duration of the scroll."""
    long_tasks: int


def measure() -> Iterator[Figure]:
    """Each page is opened in a new context and scrolled down and up, alternating with its floor."""
    with replaying(gpus=_MANY, hz=_HZ) as server, floor_of(server) as floor_url, chromium() as browser:
        for layout in ("tiles", "cards"):
            addresses = (f"{server.url}/?layout={layout}", f"{floor_url}/?layout={layout}#still")
            rounds = [[_scrolled(browser, address) for address in addresses] for _ in range(_ROUNDS)]
            yield from _figures(layout, rounds)


def _figures(layout: str, rounds: list[list[Scroll]]) -> Iterator[Figure]:
    ratio = median(ours.longest / floor.longest for ours, floor in rounds)
    scroll = f"while {_MANY} GPUs as {layout} scroll for {_SCROLL_SECONDS:g} s"
    measured = f"the longest task of each tick {scroll} / of a page that only sets the same texts"
    yield Figure(ratio, "x", _BOUND, measured)
    yield Figure(median(ours.share / floor.share for ours, floor in rounds), "x", None, "all tasks, likewise")
    longest = median(ours.longest for ours, _ in rounds)
    long_tasks, floors = (median(each[side].long_tasks for each in rounds) for side in (0, 1))
    explained = f"those tasks; {long_tasks:g} of them over {_LONG_SECONDS * 1e3:g} ms, of the floor's {floors:g}"
    yield Figure(longest * 1e3, " ms", None, explained)


def _scrolled(browser: Browser, address: str) -> Scroll:
    page = opened(browser)
    page.goto(address)
    page.wait_for_timeout(_SETTLE_SECONDS * 1000)
    tasks, seconds = tasks_during(browser, partial(_scroll, page))
    page.context.close()
    longest = sorted(tasks, reverse=True)[: round(seconds * _HZ)]
    return Scroll(mean(longest), sum(tasks) / seconds, sum(task > _LONG_SECONDS for task in tasks))


def _scroll(page: Page) -> None:
    """Scroll down and up again, as with a fast mouse wheel."""
    page.mouse.move(200, HEIGHT / 2)
    for way in (1, -1):
        for _ in range(_NOTCHES):
            page.mouse.wheel(0, way * _NOTCH_PIXELS)
            page.wait_for_timeout(_NOTCH_SECONDS * 1000)
