"""Whether readings still arrive: what a watchdog has to know besides the event loop, which runs without them too."""

from __future__ import annotations

import time
from collections.abc import Callable

from monitor.runtime.runtime import Runtime
from monitor.telemetry.freshness import longest_silence

Clock = Callable[[], float]


class Pulse:
    """Alive while the observed object is replaced often enough."""

    def __init__(
        self, look: Callable[[], object], longest_seconds: Callable[[], float], now: Clock = time.monotonic
    ) -> None:
        """`look` returns the newest object (compared by identity), `longest_seconds` how long it may stay the same."""
        self._look = look
        self._longest_seconds = longest_seconds
        self._now = now
        self._seen = look()
        self._since = now()

    def __call__(self) -> bool:
        newest, now = self._look(), self._now()
        if newest is not self._seen:
            self._seen, self._since = newest, now
        return now - self._since <= self._longest_seconds()


def pulse_of_readings(runtime: Runtime) -> Pulse:
    """Alive while the supervisor publishes snapshots. Stale ones count: a hanging driver must not end the server.

    They may pause for as long as /api/health allows: three polling intervals and ten seconds.
    """
    hub = runtime.hub
    return Pulse(lambda: hub.taken_at, lambda: longest_silence(runtime.config.poll_interval_ms / 1000))
