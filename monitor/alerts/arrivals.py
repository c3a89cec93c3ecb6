"""The snapshots that wait for the alert engine."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from monitor.telemetry.schema import Snapshot

MOST_OWN = 600
"""Snapshots of the hub itself that may wait. Beyond that (no database at the start), the oldest are dropped."""
MOST_OF_OTHERS = 10
"""Of each other host: there may be hundreds, with many kilobytes each."""


class Arrival(NamedTuple):
    """A snapshot to evaluate."""

    host_id: str
    """Of a host whose agent has joined; empty: the host that the server runs on."""
    snapshot: Snapshot
    at: float
    """When it came, by the monotonic clock."""
    position: int | None = None
    """In the stream that it was read from (fleet/bus/streams.py); None: it came from the agent itself."""
    is_repeated: bool = False
    """It was in the stream before this engine began to read, so another one may have judged it."""


class Arrivals:
    """Filled by the threads of the pipeline, emptied by the engine's. One host can displace its own snapshots only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Arrival]] = {}

    def put(self, arrival: Arrival) -> int:
        """Add the newest snapshot of a host. Returns how many of it wait."""
        with self._lock:
            of_host = self._waiting.get(arrival.host_id)
            if of_host is None:
                of_host = self._waiting[arrival.host_id] = deque(maxlen=MOST_OF_OTHERS if arrival.host_id else MOST_OWN)
            of_host.append(arrival)
            return len(of_host)

    def has_room(self, host_id: str) -> bool:
        """Whether another host's next snapshot displaces none."""
        with self._lock:
            return len(self._waiting.get(host_id, ())) < MOST_OF_OTHERS

    def take(self, *, with_others: bool = True) -> list[Arrival]:
        """Everything that waits; of each host in order, the hub's own first. `with_others`: not the hub's own alone."""
        with self._lock:
            own = self._waiting.pop("", ())
            others: dict[str, deque[Arrival]] = {}
            if with_others:
                others, self._waiting = self._waiting, others
        return [*own, *(arrival for of_host in others.values() for arrival in of_host)]
