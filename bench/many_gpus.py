"""64 GPUs in one page: main-thread time against 8, and whether scrolling goes smoothly while every value changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from statistics import median

from playwright.sync_api import Page

from bench.chromium import HEIGHT, Meter, opened, tasks_during
from bench.figures import Figure
from bench.host import GPUS
from bench.replayed import replayed
from tests.support.chromium import chromium

_MANY, _HZ = 64, 2
_ROUNDS, _SECONDS, _SETTLE_SECONDS = 5, 6.0, 8.0
_NOTCHES, _NOTCH_PIXELS, _NOTCH_SECONDS = 100, 120, 0.05
_SCROLL_SECONDS = 2 * _NOTCHES * _NOTCH_SECONDS
_LONG_SECONDS = 0.05


def measure() -> Iterator[Figure]:
    """The figures of many GPUs. All pages are open at once and measured over the same seconds."""
    with replayed(gpus=GPUS, hz=_HZ) as few, replayed(gpus=_MANY, hz=_HZ) as many, chromium() as browser:
        addresses = (f"{few.url}/", f"{many.url}/", f"{many.url}/?layout=cards")
        pages = [opened(browser) for _ in addresses]
        for page, address in zip(pages, addresses, strict=True):
            page.goto(address)
        meters = [Meter(page) for page in pages]
        pages[0].wait_for_timeout(_SETTLE_SECONDS * 1000)
        rounds = []
        for _ in range(_ROUNDS):
            began = [meter.main_thread_seconds() for meter in meters]
            time.sleep(_SECONDS)
            rounds.append([meter.main_thread_seconds() - at for meter, at in zip(meters, began, strict=True)])
        for place, layout in ((1, "as tiles, which is the default"), (2, "as cards")):
            ratio = median(costs[place] / costs[0] for costs in rounds)
            told = f"{_MANY} GPUs {layout}: main thread / of {GPUS} GPUs as cards, all values changing at {_HZ} Hz"
            yield Figure(ratio, "×", 4, told)
            a_tick = median(costs[place] for costs in rounds) / _SECONDS / _HZ
            yield Figure(a_tick * 1e3, " ms", None, "main thread a tick of these")
        for place, layout in ((1, "as tiles"), (2, "as cards")):
            others = [page for page in pages if page is not pages[place]]
            for page in others:
                page.evaluate("document.dispatchEvent(new CustomEvent('gpumon:pause'))")
            tasks = tasks_during(browser, partial(_scroll, pages[place]))
            long = [task for task in tasks if task > _LONG_SECONDS]
            told = f"long tasks (> 50 ms of CPU) while {_MANY} GPUs {layout} are scrolled for {_SCROLL_SECONDS:g} s, 2400 px/s"
            yield Figure(len(long), "", 0, f"{told}; of {len(tasks)} tasks the longest took {max(tasks) * 1e3:.0f} ms")
            for page in others:
                page.evaluate("document.dispatchEvent(new CustomEvent('gpumon:pause'))")


def _scroll(page: Page) -> None:
    """Down and up again, as with a wheel that is turned fast."""
    page.mouse.move(200, HEIGHT / 2)
    for way in (1, -1):
        for _ in range(_NOTCHES):
            page.mouse.wheel(0, way * _NOTCH_PIXELS)
            page.wait_for_timeout(_NOTCH_SECONDS * 1000)
