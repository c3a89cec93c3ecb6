"""Whether a snapshot is still current, judged where it is shown: the thread that makes snapshots may have ended."""

from __future__ import annotations

import msgspec

from monitor.telemetry.schema import Snapshot

MOST_AHEAD_SECONDS = 3600.0
"""A snapshot of another host from further in the future is not recorded: what it belongs to would stay open for too long."""
MOST_BEHIND_SECONDS = 2 * 3600.0
"""An older one is not recorded either. An agent repeats what the hub missed within an hour."""


def longest_silence(interval_seconds: float | None) -> float:
    """How long snapshots may pause, in seconds. Stale ones are published as well, so a pause has no other cause than gpumon."""
    return 3 * (interval_seconds or 1.0) + 10


def silence_in_words(silent_seconds: float) -> str:
    """Why a snapshot without a successor is stale."""
    return f"No reading has arrived for {silent_seconds:.0f} s."


def as_of_now(snapshot: Snapshot, silent_seconds: float) -> Snapshot:
    """The snapshot, marked as stale if no other has followed for too long. `silent_seconds` by a monotonic clock."""
    if silent_seconds <= longest_silence(snapshot.poll_interval_seconds):
        return snapshot
    age = snapshot.age_seconds
    return msgspec.structs.replace(
        snapshot,
        stale=True,
        age_seconds=None if age is None else age + silent_seconds,
        stale_reason=silence_in_words(silent_seconds),
    )


def has_plausible_time(snapshot: Snapshot, now: float) -> bool:
    """Whether a snapshot of another host can be recorded at the time that its clock says. `now`: by the hub's clock."""
    times = [snapshot.time] if snapshot.sampled_at is None or snapshot.stale else [snapshot.time, snapshot.sampled_at]
    return all(-MOST_BEHIND_SECONDS <= at - now <= MOST_AHEAD_SECONDS for at in times)
