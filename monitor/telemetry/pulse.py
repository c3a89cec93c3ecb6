"""Whether snapshots are still made: what a watchdog has to know besides its own loop, which runs without them too."""

from __future__ import annotations

import time
from collections.abc import Callable

from monitor.telemetry.freshness import longest_silence


class Pulse:
    """Alive while snapshots follow each other. Stale ones count: a hanging driver must not end the process.

    They may pause for as long as /api/health allows: three polling intervals and ten seconds.
    """

    def __init__(
        self,
        taken_at: Callable[[], float | None],
        interval_seconds: Callable[[], float],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`taken_at`: when the newest snapshot was taken, on any clock; None before the first."""
        self._taken_at = taken_at
        self._interval_seconds = interval_seconds
        self._now = now
        self._seen = taken_at()
        self._since = now()

    def __call__(self) -> bool:
        newest, now = self._taken_at(), self._now()
        if newest != self._seen:
            self._seen, self._since = newest, now
        return now - self._since <= longest_silence(self._interval_seconds())
