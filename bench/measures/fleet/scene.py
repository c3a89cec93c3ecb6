"""Hubs of one process and of several, the agents that send to them, and the viewers of their pages."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from statistics import quantiles
from typing import NamedTuple

import msgspec
import psutil

from bench.child import Child, child
from bench.cpu import Stopwatch, with_children
from bench.figures import CouldNotMeasure
from bench.ingest.joined_agents import JOIN, Count
from bench.ingest.prepared import record
from bench.serving import data_folder
from tests.fleet.redis_server import running_redis
from tests.postgresql.cluster import running_cluster
from tests.support.servers import Server, wait_for

LEAST = 0.9
"""The share of the due readings that must be sent: with fewer, the machine is too busy to measure."""
_QUIET = {"telemetry_provider": "simulated", "simulated_gpus": 1, "poll_interval_ms": 1000}
_SECRET_KEY = "of a hub that is only measured, and not kept"  # pragma: allowlist secret


class Hub(NamedTuple):
    """Its processes by what they do, and those that agents and viewers connect to."""

    servers: Sequence[Server]
    parts: Mapping[str, Sequence[Server]]

    def join(self, hosts: int) -> None:
        """Make hosts known to it."""
        self.servers[0].manage("shell", "-v", "0", "-c", JOIN.replace("HOSTS", str(hosts)))

    def pids(self) -> dict[str, list[int]]:
        """Of each process with its children, by name."""
        return {
            f"{name} {number}" if len(part) > 1 else name: with_children(each.process.pid)
            for name, part in self.parts.items()
            for number, each in enumerate(part, start=1)
            if each.process
        }


@contextmanager
def one_process(**settings: object) -> Iterator[Hub]:
    """With SQLite."""
    with data_folder() as folder:
        server = Server(folder, **_QUIET, **settings).start()
        try:
            yield Hub([server], {"server": [server]})
        finally:
            server.stop(seconds=60)


@contextmanager
def several_processes() -> Iterator[Hub]:
    """Two servers and two engines, over Redis and PostgreSQL."""
    with running_redis() as redis, running_cluster() as cluster, ExitStack() as stack:
        database = cluster.new_database("hub")
        shared = {**_QUIET, "redis_url": redis.url, "secret_key": _SECRET_KEY, "database_url": database}

        def new(command: str) -> Server:
            folder = stack.enter_context(data_folder())
            server = Server(folder, command=[sys.executable, "manage.py", command], is_first_start=True, **shared)
            server.launch()
            stack.callback(lambda: server.stop(seconds=60))
            return server

        servers = [new("serve") for _ in range(2)]
        for server in servers:
            wait_for(server.listens, "the servers", seconds=120)
        engines = [new("engine") for _ in range(2)]
        wait_for(
            lambda: all("from now on" in each.log for each in engines),
            "a share of the hosts for each engine",
            seconds=90,
        )
        yield Hub(servers, {"server": servers, "engine": engines})


@contextmanager
def sending(hub: Hub, *, hz: float, hosts: int = 0, first: int = 0, **kinds: int) -> Iterator[Child]:
    """Agents in a process of their own; yields once all are connected. `kinds`: as many of each kind of raw_agent.py."""
    with data_folder() as folder:
        file = folder / "snapshot.msgpack"
        record(file)
        named = ",".join(f"{kind}={count}" for kind, count in (kinds or {"healthy": hosts}).items())
        ports = [str(server.port) for server in hub.servers]
        with child("bench.ingest.joined_agents", str(file), str(hz), str(first), named, *ports) as agents:
            agents.answer()
            yield agents


def count(agents: Child) -> Count:
    """What they have done so far."""
    return msgspec.convert(agents.ask("count"), Count)


class Cost(NamedTuple):
    """Of one process."""

    cores: float
    resident_bytes: int


class Watch:
    """The cost of each process of a hub since the watch was made, and the readings that its agents have sent."""

    def __init__(self, hub: Hub, agents: Child) -> None:
        self._agents = agents
        self._pids = hub.pids()
        self._stopwatch = Stopwatch(pid for each in self._pids.values() for pid in each)
        self._sent = count(agents).sent

    def readings(self, *, due_hz: float) -> int:
        """So far. Raises CouldNotMeasure if they are far fewer than `due_hz` a second."""
        sent, due = count(self._agents).sent - self._sent, due_hz * self._stopwatch.wall
        if sent < LEAST * due:
            raise CouldNotMeasure(f"the agents sent {sent} readings where {due:.0f} were due")
        return sent

    def costs(self) -> dict[str, Cost]:
        """Of each process, with its children."""
        wall = self._stopwatch.wall
        return {
            name: Cost(
                sum(map(self._stopwatch.cpu_of, pids)) / wall,
                sum(psutil.Process(pid).memory_info().rss for pid in pids),
            )
            for name, pids in self._pids.items()
        }


class Viewers:
    """Open pages and feeds, and how old what they show is."""

    def __init__(self, readers: Mapping[str, Child]) -> None:
        self._readers = readers
        for each in readers.values():
            each.ask("begin")

    def p99(self) -> dict[str, float]:
        """Seconds from a host's reading, or from the tick of the page of all hosts, to the viewer, by kind, since the start."""
        ages = {kind: each.ask("ages") for kind, each in self._readers.items()}
        for kind, seconds in ages.items():
            if len(seconds) < 2:
                raise CouldNotMeasure(f"viewers of {kind} got no messages")
        return {kind: quantiles(seconds, n=100, method="inclusive")[98] for kind, seconds in ages.items()}


@contextmanager
def viewing(server: Server, pages: Mapping[str, int]) -> Iterator[Mapping[str, Child]]:
    """That many viewers of each page, such as /host/node1/, or feed, such as /ws/gpu?host=node1; yields once all are connected."""
    with ExitStack() as stack:
        readers = {
            path: stack.enter_context(
                child("bench.clients.delay_readers", str(server.port), _socket_of(server, path), str(viewers))
            )
            for path, viewers in pages.items()
        }
        for each in readers.values():
            each.answer()
        yield readers


def _socket_of(server: Server, path: str) -> str:
    """The socket that a page opens."""
    if path.startswith("/ws/"):
        return path
    status, page = server.get(path)
    found = re.search(r'data-socket="([^"]+)"', page)
    if status != 200 or found is None:
        raise CouldNotMeasure(f"{path} answers {status} and names no socket")
    return html.unescape(found[1])
