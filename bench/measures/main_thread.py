"""The page's cost to its browser: main-thread time against a page that sets the same texts and draws the same charts."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.chromium import main_thread_rounds, opened
from bench.figures import CouldNotMeasure, Figure
from bench.floors.page import floor_of
from bench.host import GPUS
from bench.serving import replaying
from tests.support.chromium import chromium

_HZ = 5
_ROUNDS, _SECONDS, _SETTLE_SECONDS = 5, 8.0, 5.0


def measure() -> Iterator[Figure]:
    """Both pages are open at once and measured over the same seconds."""
    with replaying(gpus=GPUS, hz=_HZ) as server, floor_of(server) as floor_url, chromium() as browser:
        pages = [opened(browser) for _ in range(2)]
        for page, url in zip(pages, (server.url, floor_url), strict=True):
            page.goto(f"{url}/")
        pages[0].wait_for_timeout(_SETTLE_SECONDS * 1000)
        ours, floor = (page.locator("[data-spark] canvas").count() for page in pages)
        if not ours or ours != floor:
            raise CouldNotMeasure(f"the pages draw {ours} and {floor} charts, so they do not compare")
        rounds = main_thread_rounds(pages, rounds=_ROUNDS, seconds=_SECONDS)
    measured = f"main thread / of a page that sets the same texts and draws the same charts, {GPUS} GPUs at {_HZ} Hz"
    yield Figure(median(ours / floor for ours, floor in rounds), "x", 1.4, measured)
    a_tick = median(ours for ours, _ in rounds) / _SECONDS / _HZ
    yield Figure(a_tick * 1e3, " ms", None, "main thread a tick, all values changing")
