"""The last minute of every GPU's utilization and memory, as columns that a chart takes as they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from monitor.telemetry.schema import Snapshot

RING_SECONDS = 60.0


class Point(msgspec.Struct, frozen=True):
    """One reading of all GPUs. Percentages; None where unknown."""

    time: float
    gpus: tuple[str, ...]
    """UUIDs, in the order of the values."""
    utilization: tuple[float | None, ...]
    memory: tuple[float | None, ...]


class Columns(msgspec.Struct, frozen=True):
    """Points side by side: `utilization[i]` and `memory[i]` belong to `gpus[i]` and are as long as `time`."""

    time: list[float]
    gpus: tuple[str, ...]
    utilization: list[list[float | None]]
    memory: list[list[float | None]]


def columns(points: Iterable[Point]) -> Columns:
    """The points of the newest set of GPUs; a point that knew a GPU by another place is moved to it."""
    rows = list(points)
    gpus = rows[-1].gpus if rows else ()
    places = {row.gpus: {uuid: place for place, uuid in enumerate(row.gpus)} for row in rows}

    def column(uuid: str, of: str) -> list[float | None]:
        return [
            None if (place := places[row.gpus].get(uuid)) is None else getattr(row, of)[place] for row in rows
        ]  # fmt: skip

    return Columns(
        time=[row.time for row in rows],
        gpus=gpus,
        utilization=[column(uuid, "utilization") for uuid in gpus],
        memory=[column(uuid, "memory") for uuid in gpus],
    )


class Ring:
    """The points of the last minute of readings. One thread adds; `all` may be called from any."""

    def __init__(self, seconds: float = RING_SECONDS) -> None:
        self._seconds = seconds
        self._points: deque[Point] = deque()

    def add(self, snapshot: Snapshot) -> Point | None:
        """Keep the snapshot's reading; None if it holds no newer one. A gap in readings stays a gap in time."""
        at = snapshot.sampled_at
        if at is None or snapshot.stale or (self._points and self._points[-1].time == at):
            return None
        if self._points and self._points[-1].time > at:
            self._points.clear()  # the clock was set back: what was later is no longer the past
        point = Point(
            time=at,
            gpus=tuple(gpu.uuid for gpu in snapshot.gpus),
            utilization=tuple(gpu.utilization_percent for gpu in snapshot.gpus),
            memory=tuple(gpu.memory_used_percent for gpu in snapshot.gpus),
        )
        self._points.append(point)
        while self._points[0].time < at - self._seconds:
            self._points.popleft()
        return point

    def all(self) -> list[Point]:
        """Every point, the oldest first."""
        return list(self._points.copy())
