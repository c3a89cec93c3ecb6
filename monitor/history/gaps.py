"""Why there are no readings: the spans without them, from the snapshots and from what was stored before a restart."""

from __future__ import annotations

from typing import NamedTuple

from monitor.telemetry.schema import Gpu, Snapshot

NOT_RUNNING = "not_running"
DRIVER_HUNG = "driver_hung"
ASLEEP = "asleep"
LOST = "lost"
HOST_OFF = "host_off"
NOT_RECORDED = "not_recorded"
REASONS = {
    NOT_RUNNING: "gpumon was not running",
    DRIVER_HUNG: "the driver did not answer",
    ASLEEP: "the GPU was asleep",
    LOST: "the GPU was lost",
    HOST_OFF: "the host was off",
    NOT_RECORDED: "nothing was recorded",
}
"""What each reason means."""
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


def _gap(start: float, end: float, reason: str, text: str = "") -> Gap | None:
    return Gap(int(start), int(end), reason, text[:300]) if end - start >= _LEAST_SECONDS else None
