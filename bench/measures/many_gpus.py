"""64 GPUs on one page: main-thread time against 8 GPUs, while every value changes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.chromium import main_thread_rounds, opened
from bench.figures import Figure
from bench.host import GPUS
from bench.serving import replaying
from tests.support.chromium import chromium

_MANY, _HZ = 64, 2
_ROUNDS, _SECONDS, _SETTLE_SECONDS = 5, 6.0, 8.0


def measure() -> Iterator[Figure]:
    """All pages are open at once and measured over the same seconds."""
    with replaying(gpus=GPUS, hz=_HZ) as few, replaying(gpus=_MANY, hz=_HZ) as many, chromium() as browser:
        addresses = (f"{few.url}/", f"{many.url}/", f"{many.url}/?layout=cards")
        pages = [opened(browser) for _ in addresses]
        for page, address in zip(pages, addresses, strict=True):
            page.goto(address)
        pages[0].wait_for_timeout(_SETTLE_SECONDS * 1000)
        rounds = main_thread_rounds(pages, rounds=_ROUNDS, seconds=_SECONDS)
    for place, layout in ((1, "as tiles, which is the default"), (2, "as cards")):
        ratio = median(costs[place] / costs[0] for costs in rounds)
        measured = f"{_MANY} GPUs {layout}: main thread / of {GPUS} GPUs as cards, all values changing at {_HZ} Hz"
        yield Figure(ratio, "x", 4, measured)
        a_tick = median(costs[place] for costs in rounds) / _SECONDS / _HZ
        yield Figure(a_tick * 1e3, " ms", None, "main thread a tick of these")
