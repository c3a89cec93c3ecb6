"""Stored readings as snapshots with the metrics that a rule reads, to test it on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from monitor.history import gaps, store
from monitor.history.buckets import Buckets, Values
from monitor.history.metrics import GPU_METRICS, HOST_METRICS, SUMS
from monitor.history.tiers import Tier
from monitor.history.trial.tried_host import TriedHost
from monitor.models import HistorySource
from monitor.rules.choices import THROTTLE_REASONS
from monitor.rules.rule import Which
from monitor.telemetry.schema import Gpu, Snapshot, System

Pick = Literal["low", "mean", "high"]
_GPU_FIELDS = frozenset(Gpu.__struct_fields__)
_THROTTLED = {f"throttled_{name}_percent": min(reasons) for name, reasons in THROTTLE_REASONS.items()}
"""One of the reasons that each share of time stands for."""
_STORED = {
    *(f"gpu.{metric.name}" for metric in GPU_METRICS),
    *(f"system.{metric.name}" for metric in HOST_METRICS),
}
_LOST_STEP_SECONDS = 10
"""Between two snapshots in which a GPU is lost and nothing else is known."""


def is_stored(metric: str) -> bool:
    """Whether the history has this metric as the schema defines it; of counters, it has only the increases."""
    return metric in _STORED and metric.partition(".")[2] not in SUMS


class Lane(NamedTuple):
    """One GPU or the host within a window."""

    source: HistorySource
    buckets: Buckets
    lost: Sequence[tuple[int, int]]
    """When the GPU was lost: from, until."""

    def values(self, name: str, pick: Pick) -> Values:
        """A metric, for each of its buckets."""
        column = self.buckets.columns.get(name)
        return [None] * len(self.buckets.starts) if column is None else attrgetter(pick)(column)

    def is_lost(self, at: int) -> bool:
        return any(start <= at < end for start, end in self.lost)


class Window(NamedTuple):
    """The readings of one chunk's span. GPUs come by index."""

    host: str
    gpus: Sequence[Lane]
    system: Lane | None
    names: tuple[str, ...]
    pick: Pick

    def values(self, lane: Lane) -> list[float]:
        """Every known value of the lane, of all metrics together."""
        return [value for name in self.names for value in lane.values(name, self.pick) if value is not None]

    def times(self) -> list[int]:
        """When something was read."""
        lanes = [*self.gpus, *([self.system] if self.system else [])]
        starts = {tuple(lane.buckets.starts) for lane in lanes}
        found = {at for each in starts for at in each}
        found |= {at for lane in lanes for start, end in lane.lost for at in range(start, end, _LOST_STEP_SECONDS)}
        return sorted(found)

    def snapshots(self, *, every: int = 1, always: Collection[str] = ()) -> Iterator[Snapshot]:
        """A snapshot at every nth time. In between, one with the sources whose keys are in `always`, if there are any."""
        times = self.times()
        gpus = [_gpus(lane, times, self.names, self.pick) for lane in self.gpus]
        chosen = [each for lane, each in zip(self.gpus, gpus, strict=True) if lane.source.key in always]
        systems = None if self.system is None else _systems(self.system, times, self.names, self.pick)
        for place, at in enumerate(times):
            shown = chosen if place % every else gpus
            if place % every and not always:
                continue
            yield Snapshot(
                host=self.host,
                seq=place,
                time=at,
                sampled_at=at,
                gpus=tuple([each[place] for each in shown]),
                system=None if systems is None else systems[place],
            )


def windows(
    metrics: Sequence[str], which: Which, tier: Tier, start: float, end: float, *, host: TriedHost, pick: Pick
) -> Iterator[Window]:
    """The windows of a span that have readings, in order. `metrics`: by struct and field; without any, the GPUs' losses only.
    `which`: other GPUs are left out.

    Raises Django's database errors.
    """
    rows = [row for row in store.sources(host.host_id) if row.first_at < end and row.last_at > start]
    names = tuple(dict.fromkeys(metric.partition(".")[2] for metric in metrics))
    is_of_host = any(metric.startswith("system.") for metric in metrics)
    wanted = [
        row
        for row in rows
        if (row.key == store.HOST) == is_of_host and (is_of_host or which.fits(Gpu(**_identity(row))))
    ]
    lost = {} if names else {row.pk: _lost(row, start, end) for row in wanted}
    at = tier.chunk_of(start)
    while at < end:
        first, last = max(start, at), min(end, at + tier.chunk_seconds)
        there = [row for row in wanted if row.first_at < last and row.last_at > first]
        lanes = [
            Lane(
                row, store.read(row.pk, tier, first, last, names), _within(lost.get(row.pk, ()), int(first), int(last))
            )
            for row in there
        ]
        if any(lane.buckets.starts or lane.lost for lane in lanes):
            gpus = sorted((lane for lane in lanes if lane.source.key != store.HOST), key=_index)
            system = next((lane for lane in lanes if lane.source.key == store.HOST), None)
            yield Window(host.name, gpus, system, names, pick)
        at += tier.chunk_seconds


def limit_of(lane: Lane, name: str) -> float | None:
    """A limit that the GPU reported last, by the schema's name."""
    value = lane.source.limits.get(name)
    return float(value) if isinstance(value, int | float) else None


def _index(lane: Lane) -> int:
    return lane.source.index or 0


def _lost(row: HistorySource, start: float, end: float) -> list[tuple[int, int]]:
    return [(gap.start, gap.end) for gap in store.gaps(row, start, end) if gap.reason == gaps.LOST]


def _within(spans: Sequence[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    return [(max(start, first), min(end, last)) for first, last in spans if first < end and last > start]


def _aligned(lane: Lane, times: Sequence[int], names: Sequence[str], pick: Pick) -> list[tuple[float | None, ...]]:
    """For each time a value of each metric; None where the lane has no reading."""
    unknown = (None,) * len(names)
    rows = zip(lane.buckets.starts, zip(*[lane.values(name, pick) for name in names], strict=True), strict=True)
    by_time = dict(rows) if names else {}
    return [by_time.get(at, unknown) for at in times]


def _gpus(lane: Lane, times: Sequence[int], names: Sequence[str], pick: Pick) -> list[Gpu]:
    limits = lane.source.limits
    base = {**{name: value for name, value in limits.items() if name in _GPU_FIELDS}, **_identity(lane.source)}
    if not names:
        ok, gone = Gpu(**base), Gpu(**base, state="lost")
        return [gone if lane.is_lost(at) else ok for at in times]
    values = _aligned(lane, times, names, pick)
    if names[0] in _THROTTLED:
        return [Gpu(**base, clock_event_reasons=_reasons(names, each)) for each in values]
    return [Gpu(**base, **_named(names, each)) for each in values]


def _identity(row: HistorySource) -> dict[str, Any]:
    return {"index": row.index or 0, "uuid": row.key, "name": row.name}


def _reasons(names: Sequence[str], shares: Sequence[float | None]) -> tuple[str, ...] | None:
    if all(share is None for share in shares):
        return None
    return tuple(_THROTTLED[name] for name in compress(names, [bool(share) for share in shares]))


def _systems(lane: Lane, times: Sequence[int], names: Sequence[str], pick: Pick) -> list[System]:
    return [System(**_named(names, each)) for each in _aligned(lane, times, names, pick)]


def _named(names: Sequence[str], values: Sequence[float | None]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))
