"""Whether a snapshot is still current, judged where it is shown: the thread that makes snapshots may have ended."""

from __future__ import annotations

import msgspec

from monitor.telemetry.schema import Snapshot


def longest_silence(interval_seconds: float | None) -> float:
    """How long snapshots may pause, in seconds. Stale ones are published as well, so a pause has no other cause than gpumon."""
    return 3 * (interval_seconds or 1.0) + 10


def silence_in_words(silent_seconds: float) -> str:
    """Why a snapshot without a successor is stale."""
    return f"The telemetry loop has been silent for {silent_seconds:.0f} s."


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
