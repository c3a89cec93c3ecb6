"""How old the readings of another host are at least, by the hub's clock: what its agent says about their age is not enough."""

from __future__ import annotations

import msgspec

from monitor.telemetry.freshness import longest_silence
from monitor.telemetry.schema import Snapshot


class ReadingAge:
    """Of one host. A reading that comes again is as old as the hub knows it, whatever age its agent says."""

    def __init__(self) -> None:
        self._sampled_at: float | None = None
        self._since = 0.0

    def judged(self, snapshot: Snapshot, now: float) -> Snapshot:
        """The newest snapshot of the host, with an age that is true to the hub's clock, and stale if that is too old.

        `now`: when it arrived, by the hub's monotonic clock.
        """
        if snapshot.sampled_at != self._sampled_at:
            self._sampled_at, self._since = snapshot.sampled_at, now
        if snapshot.sampled_at is None:
            return snapshot
        age = max(now - self._since, snapshot.age_seconds or 0.0)
        is_old = age > longest_silence(snapshot.poll_interval_seconds)
        if age == (snapshot.age_seconds or 0.0) and (snapshot.stale or not is_old):
            return snapshot
        reason = f"The host sends no new reading; the newest is {age:.0f} s old."
        return msgspec.structs.replace(
            snapshot,
            age_seconds=age,
            stale=snapshot.stale or is_old,
            stale_reason=snapshot.stale_reason or (reason if is_old else None),
        )
