"""What a server costs with more clients, and a hub with more hosts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import psutil

from bench.child import child
from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure
from bench.growth.row import Row
from bench.measures.fleet.scene import Watch, one_process, sending
from bench.sides import server_of
from monitor.server.descriptors import raise_limit

_SETTLE_SECONDS, _SECONDS = 2.0, 10.0
_ENOUGH = 0.8
"""The share of the due messages that must arrive: with fewer, the machine is too busy to measure."""
_HOST_SETTLE_SECONDS, _HOST_SECONDS, _HOST_HZ = 15.0, 62.0, 0.1
"""The history is written once a minute. A thousand hosts at 1 Hz, their agents and the hub do not fit on two cores."""


def with_clients(counts: Sequence[int] = (1, 100, 1000, 2000)) -> Iterator[Row]:
    """Feeds at 1 Hz under uvicorn; nothing else runs in that server."""
    raise_limit()  # each client is a descriptor; servers and clients inherit the limit
    cpu, memory = {}, {}
    for count in counts:
        with (
            server_of("uvicorn", hz=1) as server,
            child("bench.clients.delay_readers", str(server.port), "/ws/gpu", str(count)) as readers,
        ):
            readers.answer()  # all are connected
            time.sleep(_SETTLE_SECONDS)
            readers.ask("begin")
            assert server.process is not None
            watch = Stopwatch([server.process.pid])
            time.sleep(_SECONDS)
            spent, wall = watch.cpu, watch.wall
            if (arrived := len(readers.ask("ages"))) < _ENOUGH * count * wall:
                raise CouldNotMeasure(f"{arrived} messages arrived where {count * wall:.0f} were due")
            cpu[count] = spent / wall * 1e3
            memory[count] = psutil.Process(server.process.pid).memory_info().rss / 1e6
    yield Row("clients", "CPU of a reading of 8 GPUs sent to all, ms", cpu)
    yield Row("clients", "memory (RSS) of the server, MB", memory)


def with_hosts(counts: Sequence[int] = (1, 100, 1000)) -> Iterator[Row]:
    """Hosts of 8 GPUs that send every 10 s to a hub of one process, which judges and stores."""
    raise_limit()
    cpu, memory = {}, {}
    for count in counts:
        with one_process() as hub:
            hub.join(count)
            with sending(hub, hz=_HOST_HZ, hosts=count) as agents:
                time.sleep(_HOST_SETTLE_SECONDS)
                watch = Watch(hub, agents)
                time.sleep(_HOST_SECONDS)
                watch.readings(due_hz=count * _HOST_HZ)
                cost = watch.costs()["server"]
        cpu[count], memory[count] = cost.cores * 1e3, cost.resident_bytes / 1e6
    yield Row("hosts that send every 10 s", "CPU of a second of the hub, ms", cpu)
    yield Row("hosts that send every 10 s", "memory (RSS) of the hub, MB", memory)
