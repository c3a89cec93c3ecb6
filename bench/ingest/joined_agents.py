"""Agents that have joined a real hub: `python -m bench.ingest.joined_agents FILE HZ FIRST KINDS PORT…`, over the servers in turn.

FILE: a snapshot (`prepared.record`). FIRST: the number of the first host. KINDS: how many of each, such as healthy=270,dead=10.
Prints "open" in JSON once all are connected; then, for each line on stdin, a Count. Ends with stdin. JOIN makes the hosts known to
the hub's database. All sockets are in one thread, so that the agents cost little beside what they measure.
"""

from __future__ import annotations

import hashlib
import select
import sys
import time
from pathlib import Path

import msgspec

from bench.ingest.prepared import PreparedReadings
from bench.ingest.raw_agent import RawAgent

JOIN = """
from bench.ingest.joined_agents import host_id, key
from monitor.fleet.registry import digest_of
from monitor.models import FleetHost
FleetHost.objects.bulk_create(
    FleetHost(host_id=host_id(number), name=f"node{number}", key_digest=digest_of(key(number))) for number in range(HOSTS)
)
"""
"""For `manage.py shell`, with the number of hosts in place of HOSTS."""
_STDIN = 0
_CONNECTS_PER_SECOND = 60
"""At the start. Later each comes back when its own random wait is over."""


class Count(msgspec.Struct):
    """What the agents of one process have done so far."""

    sent: int
    """Whole readings."""
    connected: int
    """Agents that the hub has admitted and not lost."""
    admissions: int
    """Connections so far."""


def host_id(number: int) -> str:
    """As random as a real one."""
    return hashlib.md5(f"host {number}".encode(), usedforsecurity=False).hexdigest()


def key(number: int) -> str:
    """Of the host with this number."""
    return f"gpumonhost_of_the_benchmark_{number}"


class _Agents:
    def __init__(self, readings: PreparedReadings, hz: float, agents: list[RawAgent], ready: select.epoll) -> None:
        self._readings, self._agents, self._ready = readings, agents, ready
        self._step = 1 / hz / len(agents)
        """The agents send in turn, at equal distances."""
        self._has_opened = False
        self._by_descriptor: dict[int, RawAgent] = {}

    def run(self) -> None:
        """Until stdin closes."""
        begin = time.monotonic()
        for place, agent in enumerate(self._agents):
            agent.retry_at = begin + place / _CONNECTS_PER_SECOND
        turn, looked_at = 0, begin
        while True:
            for descriptor, event in self._ready.poll(max(0.0, begin + turn * self._step - time.monotonic())):
                if descriptor == _STDIN:
                    if not sys.stdin.readline():
                        return
                    print(msgspec.json.encode(self._count()).decode(), flush=True)
                elif (agent := self._by_descriptor.get(descriptor)) is not None:
                    if event & select.EPOLLOUT:
                        agent.flush()
                    if event & ~select.EPOLLOUT and agent.socket is not None:
                        agent.receive()
            now = time.monotonic()
            while begin + turn * self._step <= now:
                self._agents[turn % len(self._agents)].send(self._readings)
                turn += 1
            if now - looked_at >= 0.01:
                looked_at = now
                self._look(now)

    def _look(self, now: float) -> None:
        for agent in self._agents:
            if agent.retry_at <= now:
                agent.connect()
        self._by_descriptor = {agent.socket.fileno(): agent for agent in self._agents if agent.socket is not None}
        if not self._has_opened and all(agent.connected for agent in self._agents):
            self._has_opened = True
            print('"open"', flush=True)

    def _count(self) -> Count:
        return Count(
            sent=sum(agent.sent for agent in self._agents),
            connected=sum(agent.is_admitted for agent in self._agents),
            admissions=sum(agent.connected for agent in self._agents),
        )


def main() -> None:
    file, hz, first, kinds, *ports = sys.argv[1:]
    ready = select.epoll()
    ready.register(_STDIN, select.EPOLLIN)
    each = [kind for kind, _, count in (named.partition("=") for named in kinds.split(",")) for _ in range(int(count))]
    agents = [
        RawAgent(number, host_id(number), key(number), int(ports[number % len(ports)]), kind, ready)  # type: ignore[arg-type]
        for number, kind in enumerate(each, start=int(first))
    ]
    _Agents(PreparedReadings(Path(file), 1 / float(hz)), float(hz), agents, ready).run()


if __name__ == "__main__":
    main()
