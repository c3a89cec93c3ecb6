"""What the page costs its browser: main-thread time against a page that sets the same texts and draws the same charts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.child import child
from bench.chromium import Meter, opened
from bench.figures import Figure
from bench.host import GPUS
from bench.replayed import replayed
from tests.support.chromium import chromium
from tests.support.servers import free_port

_HZ = 5
_ROUNDS, _SECONDS, _SETTLE_SECONDS = 5, 8.0, 5.0


def measure() -> Iterator[Figure]:
    """The figures of a tick in the browser. Both pages are open at once: what disturbs one disturbs the other."""
    port = free_port()
    with (
        replayed(gpus=GPUS, hz=_HZ) as server,
        child("bench.floor", str(port), f"127.0.0.1:{server.port}") as relay,
        chromium() as browser,
    ):
        relay.answer()
        ours, floor = opened(browser), opened(browser)
        ours.goto(f"{server.url}/")
        floor.goto(f"http://127.0.0.1:{port}/")
        meters = Meter(ours), Meter(floor)
        ours.wait_for_timeout(_SETTLE_SECONDS * 1000)
        drawn = [page.locator("[data-spark] canvas").count() for page in (ours, floor)]
        if not drawn[0] or drawn[0] != drawn[1]:
            raise RuntimeError(f"the pages draw {drawn[0]} and {drawn[1]} charts: they cannot be compared")
        rounds = []
        for _ in range(_ROUNDS):
            began = [meter.main_thread_seconds() for meter in meters]
            time.sleep(_SECONDS)
            rounds.append([meter.main_thread_seconds() - at for meter, at in zip(meters, began, strict=True)])
    told = f"page: main thread / of a page that sets the same texts and draws the same charts, {GPUS} GPUs at {_HZ} Hz"
    yield Figure(median(one / other for one, other in rounds), "×", 1.4, told)
    yield Figure(
        median(one for one, _ in rounds) / _SECONDS / _HZ * 1e3, " ms", None, "main thread a tick, all values changing"
    )
