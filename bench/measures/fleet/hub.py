"""What a hub costs: one process with SQLite, and two servers and two engines over Redis and PostgreSQL, with the same agents."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import psutil

from bench.child import child
from bench.cpu import Stopwatch, with_children
from bench.figures import CouldNotMeasure, Figure
from bench.ingest.joined_agents import JOIN
from bench.serving import data_folder
from tests.fleet.redis_server import running_redis
from tests.postgresql.cluster import running_cluster
from tests.support.servers import Server, wait_for

_HOSTS, _HZ = 100, 1.0
_SETTLE_SECONDS = 20.0
_MIB = 1 << 20
_LEAST = 0.8
"""The share of the due readings that must be sent: with fewer, the machine is too busy to measure."""
_QUIET = {"telemetry_provider": "simulated", "simulated_gpus": 1, "poll_interval_ms": 1000}
_SECRET_KEY = "of a hub that is only measured, and not kept"  # pragma: allowlist secret


class _Cost(NamedTuple):
    cpu_seconds: float
    """Of a reading."""
    cores: float
    resident_bytes: int


def measure(minutes: float) -> Iterator[Figure]:
    """A minute of each, or as long as given."""
    with _one_process() as ports_and_servers:
        one = _watched(*ports_and_servers, minutes)["server"]
    yield Figure(
        one.cores, " cores", 1.0, f"a hub of one process, SQLite: {_HOSTS} hosts × 8 GPUs at {_HZ:g} Hz, all processes"
    )
    yield Figure(one.resident_bytes / _MIB, " MiB", 1024, "its resident memory")
    yield Figure(one.cpu_seconds * 1e3, " ms", None, "its CPU of a host's reading: received, judged, stored")
    with _several_processes() as ports_and_servers:
        costs = _watched(*ports_and_servers, minutes)
    together = sum(each.cpu_seconds for each in costs.values())
    yield Figure(
        together / one.cpu_seconds, "x", 2.0, "two servers and two engines over Redis, their CPU together / one process"
    )
    for name, each in costs.items():
        what = f"{name}: {each.cpu_seconds * 1e3:.2f} ms of CPU a reading, {each.resident_bytes / _MIB:.0f} MiB"
        yield Figure(each.cores, " cores", None, what)


@contextmanager
def _one_process() -> Iterator[tuple[list[Server], dict[str, list[Server]]]]:
    with data_folder() as folder:
        server = Server(folder, **_QUIET).start()
        try:
            yield [server], {"server": [server]}
        finally:
            server.stop()


@contextmanager
def _several_processes() -> Iterator[tuple[list[Server], dict[str, list[Server]]]]:
    with running_redis() as redis, running_cluster() as cluster, ExitStack() as stack:
        shared = {
            **_QUIET,
            "redis_url": redis.url,
            "secret_key": _SECRET_KEY,
            "database_url": cluster.new_database("hub"),
        }

        def new(command: str) -> Server:
            folder = stack.enter_context(data_folder())
            server = Server(folder, command=[sys.executable, "manage.py", command], is_first_start=True, **shared)
            server.launch()
            stack.callback(server.stop)
            return server

        servers = [new("serve") for _ in range(2)]
        for server in servers:
            wait_for(server.listens, "the servers", seconds=120)
        working, waiting = new("engine"), new("engine")
        wait_for(lambda: "from now on" in working.log + waiting.log, "an engine", seconds=60)
        yield servers, {"the two servers": servers, "the two engines": [working, waiting]}


def _watched(servers: Sequence[Server], parts: dict[str, list[Server]], minutes: float) -> dict[str, _Cost]:
    """What each part costs while the agents send."""
    servers[0].manage("shell", "-v", "0", "-c", JOIN.replace("HOSTS", str(_HOSTS)))
    ports = [str(server.port) for server in servers]
    with child("bench.ingest.joined_agents", str(_HZ), str(_HOSTS), *ports) as agents:
        agents.answer()  # all are connected
        time.sleep(_SETTLE_SECONDS)
        pids = {
            name: [pid for each in part if each.process for pid in with_children(each.process.pid)]
            for name, part in parts.items()
        }
        watch = Stopwatch(pid for each in pids.values() for pid in each)
        before = agents.ask("count")
        time.sleep(minutes * 60)
        readings, seconds = agents.ask("count") - before, watch.wall
        if readings < _LEAST * _HOSTS * _HZ * seconds:
            raise CouldNotMeasure(f"the agents sent {readings} readings where {_HOSTS * _HZ * seconds:.0f} were due")
        return {
            name: _Cost(
                sum(map(watch.cpu_of, each)) / readings,
                sum(map(watch.cpu_of, each)) / seconds,
                sum(psutil.Process(pid).memory_info().rss for pid in each),
            )
            for name, each in pids.items()
        }
