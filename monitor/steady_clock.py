"""How long the wall clock has run without a jump. What deletes by age waits for that: a wrong date must delete nothing."""

from __future__ import annotations

from collections.abc import Callable

JUMP_SECONDS = 5.0
"""A difference between wall clock and monotonic clock that changes by less is no jump."""


class SteadyClock:
    """Compares both clocks at each call. Not for several threads."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._ahead = clock() - monotonic()
        """How far the wall clock was ahead of the monotonic one at the last call."""
        self._since = monotonic()

    def steady_seconds(self) -> float:
        """Since the last jump, or since this was made. A jump is noticed at the next call: call it at least once a minute."""
        ahead = self._clock() - self._monotonic()
        if abs(ahead - self._ahead) >= JUMP_SECONDS:
            self._since = self._monotonic()
        self._ahead = ahead
        return self._monotonic() - self._since
