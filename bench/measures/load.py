"""The age of a reading with many clients, under the servers that gpumon is deployed with: as `delay`, but at 1 Hz and with more.

Ages are wall time, so the machine has to be idle otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from bench.figures import Figure
from bench.sides import BROADCAST, measure_ages, server_of
from monitor.server.descriptors import raise_limit

_CLIENTS = (300, 1000, 2000)
_HZ, _SECONDS = 1.0, 12.0
_BOUNDS = {"gunicorn": 2.0, "daphne": 2.5}


def measure() -> Iterator[Figure]:
    """p99 of the feed's ages, as a multiple of the broadcast's."""
    raise_limit()  # each client is a descriptor; servers and clients inherit the limit
    names = (BROADCAST, *_BOUNDS)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(server_of(name, hz=_HZ, among=names)) for name in names}
        for clients in _CLIENTS:
            ages = measure_ages(servers, "/ws/gpu", clients=clients, hz=_HZ, seconds=_SECONDS)
            floor = ages[BROADCAST]
            for name, bound in _BOUNDS.items():
                p50, p99 = ages[name]
                measured = f"p99 of feed at 1 Hz, {clients} clients, {name} ({1e3 * p99:.0f} ms) / broadcast"
                yield Figure(p99 / floor.p99, "x", bound, f"{measured}; p50 {p50 / floor.p50:.2g}x")
            yield Figure(1e3 * floor.p99, " ms", None, f"p99 of that broadcast; p50 {1e3 * floor.p50:.0f} ms")
