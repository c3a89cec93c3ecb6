"""Why there are no readings: the spans without them, from the snapshots and from what was stored before a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from monitor.telemetry.schema import Gpu, Snapshot

NOT_RUNNING = "not_running"
DRIVER_HUNG = "driver_hung"
ASLEEP = "asleep"
LOST = "lost"
HOST_OFF = "host_off"
NOT_RECORDED = "not_recorded"
NO_CONNECTION = "no_connection"
WRONG_CLOCK = "wrong_clock"
REASONS = {
    NOT_RUNNING: "gpumon was not running",
    DRIVER_HUNG: "the driver did not answer",
    ASLEEP: "the GPU was asleep",
    LOST: "the GPU was lost",
    HOST_OFF: "the host was off",
    NOT_RECORDED: "nothing was recorded",
    NO_CONNECTION: "the host had no connection to this server",
    WRONG_CLOCK: "the host's clock was wrong",
}
"""What each reason means."""
LONGEST_WAIT = 2.5
"""Intervals. A reading that comes later stands for one interval only, and the rest is a gap; one skipped tick is none."""
_LEAST_SECONDS = 2.0
"""What is shorter is no gap."""


class Gap(NamedTuple):
    """A span without readings, in Unix seconds."""

    start: int
    end: int
    reason: str
    text: str = ""
    """What the snapshot said about it."""


class Absence:
    """The current gap of one source."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._start = 0.0
        self._text = ""

    def begin(self, reason: str, start: float, at: float, text: str) -> Gap | None:
        """There is no reading, of the last one at `start` until now. Returns the gap so far, if it is long enough."""
        if reason != self._reason:
            self._reason, self._start, self._text = reason, start, text
        return _gap(self._start, at, reason, self._text)

    def end(self, at: float) -> Gap | None:
        """There is a reading again. Returns the whole gap, if there was one."""
        reason, self._reason = self._reason, None
        return None if reason is None else _gap(self._start, at, reason, self._text)


class Presence:
    """The spans in which snapshots have come."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def add(self, at: float, interval_seconds: float) -> tuple[float, float] | None:
        """A snapshot of this time has come, and stands for the interval before it. Returns the span without any that this ends."""
        begin = at - interval_seconds
        if not self.spans:
            self.spans.append((begin, at))
            return None
        start, end = self.spans[-1]
        if start <= at and at - end <= max(LONGEST_WAIT * interval_seconds, interval_seconds + _LEAST_SECONDS):
            self.spans[-1] = start, max(end, at)
            return None
        self.spans.append((begin, at))
        return (end, begin) if begin - end >= _LEAST_SECONDS else None


def without(gap: Gap, spans: Iterable[tuple[float, float]]) -> Iterator[Gap]:
    """What these spans leave of a gap, in order."""
    start = float(gap.start)
    for since, until in sorted(spans):
        if until <= start or since >= gap.end:
            continue
        if (rest := _gap(start, since, gap.reason, gap.text)) is not None:
            yield rest
        start = until
    if (rest := _gap(start, gap.end, gap.reason, gap.text)) is not None:
        yield rest


def reason_of(snapshot: Snapshot, gpu: Gpu) -> tuple[str, str] | None:
    """Why a GPU has no current reading, and in which words the snapshot says so; None if it has one."""
    if gpu.state != "ok":
        return ASLEEP if gpu.state == "asleep" else LOST, gpu.unavailable.get("utilization_percent", "")
    return (DRIVER_HUNG, snapshot.stale_reason or "") if snapshot.stale else None


def since_the_last_run(last: float, now: float, booted_at: float | None) -> list[Gap]:
    """The gaps between the last row of an earlier run and now."""
    off = None
    if booted_at is not None and last < booted_at < now:
        off = _gap(last, booted_at, HOST_OFF)
        last = booted_at
    return [gap for gap in (off, _gap(last, now, NOT_RUNNING)) if gap is not None]


def without_connection(last: float, now: float, stopped_at: float, started_at: float, reason: str) -> list[Gap]:
    """The gaps between the last row of another host and its first reading. In between, this server was not recording for the
    given reason, from `stopped_at` until `started_at`.
    """
    edges = [last, min(max(last, stopped_at), now), min(max(last, started_at), now), now]
    reasons = (NO_CONNECTION, reason, NO_CONNECTION)
    found = [_gap(start, end, why) for start, end, why in zip(edges, edges[1:], reasons, strict=False)]
    return [each for each in found if each is not None]


def _gap(start: float, end: float, reason: str, text: str = "") -> Gap | None:
    return Gap(int(start), int(end), reason, text[:300]) if end - start >= _LEAST_SECONDS else None
