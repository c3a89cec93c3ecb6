"""A tenth of the hosts dead, slow or flapping: what the rest, its viewers and the hub notice of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from bench.figures import Figure
from bench.ingest.raw_agent import FAULTS
from bench.measures.fleet.hub import HOSTS, HZ, PAGES, SETTLE_SECONDS
from bench.measures.fleet.scene import Viewers, Watch, one_process, sending, viewing

_SECONDS = 60.0
"""The history is written once a minute."""
_FAULTY = HOSTS // 10


def measure() -> Iterator[Figure]:
    """The healthy hosts alone, then with the others, on one hub."""
    with one_process() as hub, ExitStack() as stack:
        hub.join(HOSTS)
        healthy = stack.enter_context(sending(hub, hz=HZ, hosts=HOSTS - _FAULTY))
        readers = stack.enter_context(viewing(hub.servers[0], PAGES))
        cores, ages = [], []
        for is_faulty in (False, True):
            if is_faulty:
                kinds = {kind: _FAULTY // len(FAULTS) for kind in FAULTS}
                stack.enter_context(sending(hub, hz=HZ, first=HOSTS - _FAULTY, **kinds))
            time.sleep(SETTLE_SECONDS)
            watch, viewers = Watch(hub, healthy), Viewers(readers)
            time.sleep(_SECONDS)
            watch.readings(due_hz=(HOSTS - _FAULTY) * HZ)
            cores.append(watch.costs()["server"].cores)
            ages.append(max(viewers.p99().values()))
        listed = hub.servers[0].json("/api/hosts")["hosts"]
    stale = sum(each["stale"] for each in listed[: 1 + HOSTS] if _number(each["name"]) in range(HOSTS - _FAULTY))
    what = f"CPU of a hub with {HOSTS - _FAULTY} hosts and {_FAULTY} that are dead, slow or flapping / without these"
    yield Figure(cores[1] / cores[0], "x", HOSTS / (HOSTS - _FAULTY), what)
    yield Figure(stale, " hosts", 0.0, "of the healthy ones that look stale meanwhile")
    yield Figure(ages[1], " s", 1.0, f"p99 from a reading to a viewer with them; {ages[0]:.2g} s without")


def _number(name: str) -> int:
    return int(name[4:]) if name.startswith("node") else -1
