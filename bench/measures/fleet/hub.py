"""What a hub of one process costs with many hosts and viewers, and how long these wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import quantiles

from bench.figures import CouldNotMeasure, Figure
from bench.measures.fleet.scene import Hub, Viewers, Watch, one_process, sending, viewing

HOSTS, HZ = 300, 1.0
PAGES = {"/": 8, "/host/node1/": 4, "/host/node2/": 4, "/ws/gpu?host=node3": 4}
"""Viewers of each: 20."""
SETTLE_SECONDS = 20.0
_RESPONSES = 100
_MIB = 1 << 20


def measure(minutes: float) -> Iterator[Figure]:
    """A minute, or as long as given."""
    with one_process() as hub:
        hub.join(HOSTS)
        with sending(hub, hz=HZ, hosts=HOSTS) as agents, viewing(hub.servers[0], PAGES) as readers:
            time.sleep(SETTLE_SECONDS)
            watch, viewers = Watch(hub, agents), Viewers(readers)
            time.sleep(minutes * 60)
            cost, readings = watch.costs()["server"], watch.readings(due_hz=HOSTS * HZ)
            ages = viewers.p99()
            responses = _response_seconds(hub)
    what = f"a hub of one process, SQLite: {HOSTS} hosts × 8 GPUs at {HZ:g} Hz, {sum(PAGES.values())} viewers"
    yield Figure(cost.cores, " cores", 1.0, what)
    yield Figure(cost.resident_bytes / _MIB, " MiB", 1024, "its resident memory")
    yield Figure(
        cost.cores * 60 * minutes / readings * 1e3, " ms", None, "its CPU of a host's reading, with all it does"
    )
    for path, seconds in ages.items():
        yield Figure(seconds, " s", 1.0, f"p99 from a reading to a viewer of {path}")
    yield Figure(
        quantiles(responses, n=100, method="inclusive")[98],
        " s",
        1.0,
        f"p99 of {_RESPONSES} responses with the page of all hosts",
    )


def _response_seconds(hub: Hub) -> list[float]:
    taken = []
    for _ in range(_RESPONSES):
        began = time.monotonic()
        status, _ = hub.servers[0].get("/")
        taken.append(time.monotonic() - began)
        if status != 200:
            raise CouldNotMeasure(f"the page of all hosts answers {status}")
        time.sleep(0.1)
    return taken
