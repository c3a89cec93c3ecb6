"""A hub of two servers and two engines over Redis and PostgreSQL: with twice the hosts of one process, and with a thousand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from bench.figures import CouldNotMeasure, Figure
from bench.measures.fleet.scene import Cost, Hub, Watch, one_process, sending, several_processes

_HOSTS, _HZ = 150, 1.0
_MOST_HOSTS, _SLOW_HZ = 1000, 0.5
_SETTLE_SECONDS = 20.0
_MIB = 1 << 20


def measure(minutes: float) -> Iterator[Figure]:
    """A minute of each, or as long as given."""
    one = _costs(one_process, _HOSTS, _HZ, minutes)["server"]
    both = _costs(several_processes, 2 * _HOSTS, _HZ, minutes)
    busiest = max(both, key=lambda name: both[name].cores)
    what = f"{busiest} of two servers and two engines with {2 * _HOSTS} hosts / one process with {_HOSTS}"
    yield Figure(both[busiest].cores / one.cores, "x", 1.2, f"CPU of {what}")
    together = sum(each.cores for each in both.values())
    yield Figure(together / one.cores / 2, "x", 2.0, "CPU of a reading in all of these processes / in the one")
    yield from _explained(both)
    many = _costs(several_processes, _MOST_HOSTS, _SLOW_HZ, minutes)
    cores = sum(each.cores for each in many.values())
    yield Figure(cores, " cores", 2.0, f"the same processes with {_MOST_HOSTS} hosts × 8 GPUs at {_SLOW_HZ:g} Hz")
    yield from _explained(many)


def _costs(
    new_hub: Callable[[], AbstractContextManager[Hub]], hosts: int, hz: float, minutes: float
) -> dict[str, Cost]:
    with new_hub() as hub:
        hub.join(hosts)
        with sending(hub, hz=hz, hosts=hosts) as agents:
            time.sleep(_SETTLE_SECONDS)
            watch = Watch(hub, agents)
            time.sleep(minutes * 60)
            watch.readings(due_hz=hosts * hz)
            costs = watch.costs()
            for server in hub.servers:
                listed = server.json("/api/hosts")["hosts"]
                current = sum(not each["stale"] and not each["is_hub"] for each in listed)
                if current < hosts:
                    raise CouldNotMeasure(f"a server shows current readings of {current} of {hosts} hosts")
    return costs


def _explained(costs: dict[str, Cost]) -> Iterator[Figure]:
    for name, cost in costs.items():
        yield Figure(cost.cores, " cores", None, f"{name}: {cost.resident_bytes / _MIB:.0f} MiB")
