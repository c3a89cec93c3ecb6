"""What the recorder has not written yet of one host: the newest buckets of each source, and why a source has none. Any thread may
use it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from monitor.history.buckets import Buckets, empty
from monitor.history.gaps import (
    DRIVER_HUNG,
    NO_CONNECTION,
    NOT_RECORDED,
    WRONG_CLOCK,
    Absence,
    Gap,
    Presence,
    reason_of,
)
from monitor.history.metrics import GPU_METRICS, HOST_METRICS
from monitor.history.rollup import merged
from monitor.history.second_buckets import SecondBuckets
from monitor.history.store import HOST
from monitor.telemetry.schema import Gpu, Snapshot, System

MOST_WAITING = 600
"""Snapshots that may wait to be read; beyond that, the oldest are dropped."""
MOST_ROWS = 20_000
"""Seconds of all sources of all hosts that are kept while the database cannot be written: about 16 MB, 37 min of 8 GPUs."""
LEAST_ROWS = 120
"""Seconds of each source that are kept in any case: with many hosts, MOST_ROWS would be less than is written at a time."""
_LIMITS_OF_GPU = (
    "memory_total_bytes", "power_limit_watts", "slowdown_temperature_celsius", "shutdown_temperature_celsius", "sm_clock_max_mhz",
    "memory_clock_max_mhz",
)  # fmt: skip
_LIMITS_OF_HOST = ("memory_total_bytes", "swap_total_bytes")
_NUMBERS_OF_GPU = attrgetter("name", "index", *_LIMITS_OF_GPU)
_NUMBERS_OF_HOST = attrgetter(*_LIMITS_OF_HOST)


class Facts(NamedTuple):
    """What a HistorySource says about a GPU or the host."""

    name: str
    gpu_index: int | None
    limits: dict[str, float]


class OfSource(NamedTuple):
    """What is to be written of one source."""

    key: str
    facts: Facts
    parts: list[Buckets]


class Unwritten(NamedTuple):
    """What is to be written of one host."""

    sources: list[OfSource]
    gaps: list[tuple[str | None, Gap]]
    """By source; None: of all."""
    filled: list[tuple[float, float]]
    """Of late snapshots: the spans from which they are, which are no longer gaps of all sources."""


class _Source:
    def __init__(self, seconds: SecondBuckets) -> None:
        self.name = ""
        self.index: int | None = None
        """Of a GPU."""
        self.limits: Sequence[float | None] = ()
        """As of the last reading, which is not kept itself: a GPU's is a hundred times as large."""
        self.is_described = False
        self.seconds = seconds
        self.parts: list[Buckets] = []
        self.absence = Absence()
        self.read_until: float | None = None
        """When the last reading was made."""

    @property
    def facts(self) -> Facts:
        names = _LIMITS_OF_HOST if self.index is None else _LIMITS_OF_GPU
        known = zip(names, self.limits, strict=False)
        return Facts(self.name, self.index, {name: value for name, value in known if value is not None})

    def describe(self, source: Gpu | System) -> None:
        """Keep what the database keeps about a source itself."""
        if isinstance(source, Gpu):
            self.name, self.index, *self.limits = _NUMBERS_OF_GPU(source)
        else:
            self.limits = _NUMBERS_OF_HOST(source)
        self.is_described = True

    def add(self, at: float, source: Gpu | System, interval: float) -> None:
        self.describe(source)
        if not self.seconds.add(at, source, interval):  # the clock was set back
            self.parts.append(self.seconds.take_before(float("inf")))
            self.seconds.add(at, source, interval)
        self.read_until = at

    def collect(self, *, is_last: bool = False) -> None:
        """Move the seconds that are over to the parts; with `is_last` the current one too."""
        newest = self.seconds.newest
        if newest is not None and (part := self.seconds.take_before(newest + is_last)).starts:
            self.parts.append(part)


class Intake:
    """The snapshots of one host, in the order of their times. They go in at once; what is to be written comes out about once a
    minute.
    """

    def __init__(self, *, has_connection: bool = False, is_late: bool = False) -> None:
        """`has_connection`: the snapshots come over the network, so a span without any is a gap. `is_late`: they are of spans that
        the hub missed, and come in an intake of their own.
        """
        self._has_connection, self._is_late = has_connection, is_late
        self._waiting: deque[Snapshot] = deque(maxlen=MOST_WAITING)
        self._presence = Presence()
        self._has_wrong_clock = False
        self._has_news = False
        self._lock = threading.Lock()
        self._sources: dict[str, _Source] = {}
        self._gaps: dict[tuple[str | None, int, str], Gap] = {}
        """By source (None: all), start and reason: a gap that goes on replaces itself."""
        self._expected: tuple[str, ...] = ()
        self._first_at: float | None = None
        """When the first snapshot was made."""
        self._sampled_at: float | None = None
        self._seq: tuple[str | None, int] | None = None

    def take(self, snapshot: Snapshot) -> None:
        """Keep it until someone needs its readings: this is the thread that all stages share."""
        self._waiting.append(snapshot)

    def open_buckets(self, key: str, names: Collection[str]) -> Buckets:
        """The buckets of a source that are not written yet, with these metrics."""
        with self._lock:
            self._read_waiting()
            source = self._sources.get(key)
            if source is None:
                return empty()
            return merged([*source.parts, source.seconds.buckets()], 1).only(names)

    def expect(self, keys: Iterable[str]) -> None:
        """The GPUs of the last run: until there is a reading of any GPU, they are missing."""
        with self._lock:
            self._expected = tuple(keys)

    def add_gap(self, key: str | None, gap: Gap) -> None:
        """A gap that no snapshot shows; without a key, of all sources."""
        with self._lock:
            self._add_gap(key, gap)

    def read_waiting(self) -> None:
        """Add the snapshots that have come to the buckets."""
        with self._lock:
            self._read_waiting()

    def unwritten(self, *, is_last: bool = False) -> Unwritten:
        """All that is to be written, and remains here until it is `forgotten`. The current second waits, unless it is the last; of
        late snapshots it is if none has come since the last call.
        """
        with self._lock:
            self._read_waiting()
            found = []
            is_over = self._is_late and not self._has_news
            self._has_news = False
            for key, source in self._sources.items():
                source.collect(is_last=is_last or is_over)
                found.append(OfSource(key, source.facts, [*source.parts]))
            gaps = [(key, gap) for (key, _start, _reason), gap in self._gaps.items()]
            return Unwritten(found, gaps, [*self._presence.spans] if self._is_late else [])

    def forget(self, written: Unwritten) -> None:
        """This has been written."""
        with self._lock:
            for key, _facts, parts in written.sources:
                del self._sources[key].parts[: len(parts)]
            for of_source, gap in written.gaps:
                place = (of_source, gap.start, gap.reason)
                if self._gaps.get(place) == gap:
                    del self._gaps[place]
            del self._presence.spans[: len(written.filled) - 1]  # the last one can go on

    @property
    def source_count(self) -> int:
        """GPUs, and the host."""
        return len(self._sources)

    def drop_excess(self, source_count: int) -> None:
        """Nothing could be written for long: drop the oldest readings beyond MOST_ROWS, and note the gap. `source_count`: of all
        hosts.
        """
        with self._lock:
            most = max(LEAST_ROWS, MOST_ROWS // max(1, source_count))
            for key, source in self._sources.items():
                source.collect()
                excess = sum(len(part.starts) for part in source.parts) - most
                if excess <= 0:
                    continue
                parts = [*_after(source.parts, excess)]
                start, end = source.parts[0].starts[0], parts[0].starts[0]
                before = next((each for each in self._gaps if each[0] == key and each[2] == NOT_RECORDED), None)
                if before is not None:
                    start = self._gaps.pop(before).start
                self._add_gap(key, Gap(start, end, NOT_RECORDED))
                source.parts = parts

    def refuse(self) -> None:
        """A snapshot has come whose time cannot be right: until the next one, the host's clock is wrong."""
        self._has_wrong_clock = True

    def clear(self) -> None:
        """Forget everything: the history was switched off."""
        with self._lock:
            self._waiting.clear()
            self._sources.clear()
            self._gaps.clear()
            self._presence = Presence()

    # ── Under the lock ────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_waiting(self) -> None:
        while self._waiting:
            self._read(self._waiting.popleft())

    def _read(self, snapshot: Snapshot) -> None:
        seq = snapshot.boot_id, snapshot.seq
        if seq == self._seq:
            return
        self._seq = seq
        interval = snapshot.poll_interval_seconds or 1.0
        hole = self._presence.add(snapshot.time, interval)
        if not self._is_late:
            del self._presence.spans[:-1]
        if hole is not None and self._has_connection:
            self._add_gap(
                None, Gap(int(hole[0]), int(hole[1]), WRONG_CLOCK if self._has_wrong_clock else NO_CONNECTION)
            )
        self._has_wrong_clock, self._has_news = False, True
        if snapshot.system is not None:
            host = self._source(HOST)
            host.name = snapshot.host
            host.add(snapshot.time, snapshot.system, interval)
        if self._first_at is None:
            self._first_at = snapshot.time
        if snapshot.sampled_at is None:
            for key in self._expected:
                absence = self._source(key).absence
                self._add_gap(
                    key, absence.begin(DRIVER_HUNG, self._first_at, snapshot.time, snapshot.stale_reason or "")
                )
            return
        is_fresh = not snapshot.stale and snapshot.sampled_at != self._sampled_at
        if is_fresh:
            self._sampled_at = snapshot.sampled_at
        at, sources = snapshot.sampled_at, self._sources
        for gpu in snapshot.gpus:
            why = reason_of(snapshot, gpu)
            if why is not None:
                self._note_absence(gpu, *why, at=snapshot.time)
            elif is_fresh:
                source = sources.get(gpu.uuid) or self._source(gpu.uuid)
                if (gap := source.absence.end(at - interval)) is not None:
                    self._add_gap(gpu.uuid, gap)
                source.add(at, gpu, interval)

    def _note_absence(self, gpu: Gpu, reason: str, text: str, *, at: float) -> None:
        source = self._source(gpu.uuid)
        if not source.is_described:
            source.describe(gpu)
        since = None if self._is_late else gpu.since
        start = source.read_until if source.read_until is not None else since or at
        self._add_gap(gpu.uuid, source.absence.begin(reason, start, at, text))

    def _source(self, key: str) -> _Source:
        if key not in self._sources:
            self._sources[key] = _Source(SecondBuckets(HOST_METRICS if key == HOST else GPU_METRICS))
        return self._sources[key]

    def _add_gap(self, key: str | None, gap: Gap | None) -> None:
        if gap is not None:
            self._gaps[key, gap.start, gap.reason] = gap


def _after(parts: list[Buckets], count: int) -> Iterator[Buckets]:
    """The parts without their first `count` buckets."""
    for part in parts:
        size = len(part.starts)
        if count < size:
            yield part.slice(count, size) if count > 0 else part
        count -= size
