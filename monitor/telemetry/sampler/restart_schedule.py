"""When the next sampler starts."""

from __future__ import annotations

LOOK_AGAIN_SECONDS = 30.0
"""How often providers are tried again after none was found, so that a driver can be installed later."""
LONGEST_BACK_OFF_SECONDS = 30.0
_MOST_FAILURES = 10
"""Counted: the back-off is the longest then. The power of a number that goes on rising overflows after some hours."""
HEALTHY_AFTER_SECONDS = 60.0
"""A sampler that lived this long resets the back-off."""


class RestartSchedule:
    """At once, or later the more samplers have failed one after the other. Times are monotonic seconds."""

    def __init__(self, look_again_seconds: float = LOOK_AGAIN_SECONDS) -> None:
        self._look_again = look_again_seconds
        self._failures = 0
        self.start_at: float | None = None
        """None: no start is planned, as while a sampler runs."""

    def is_due(self, now: float) -> bool:
        return self.start_at is not None and now >= self.start_at

    def started(self) -> None:
        self.start_at = None

    def at_once(self, now: float) -> None:
        """Without the back-off: it is the first, or the options have changed."""
        self.start_at, self._failures = now, 0

    def look_again(self, now: float) -> None:
        """No provider was found."""
        self.start_at = now + self._look_again

    def after_end(self, now: float, *, lived_seconds: float, has_failed: bool) -> None:
        """A sampler has ended that was not asked to."""
        if lived_seconds >= HEALTHY_AFTER_SECONDS:
            self._failures = 0
        delay = min(LONGEST_BACK_OFF_SECONDS, 2.0 ** (self._failures - 1)) if self._failures else 0.0
        self._failures = min(self._failures + has_failed, _MOST_FAILURES)
        self.start_at = now + delay
