"""How long an agent waits before it connects again: a random time, so that the agents of a hub that restarts come one by one."""

from __future__ import annotations

FIRST_SECONDS, LAST_SECONDS = 1.0, 60.0
"""The longest wait before the first retry and before the later ones; each waits a random part of it."""
LASTING_SECONDS = 10.0
"""A connection that lived for longer was good: the next retry comes soon, whatever failed before it."""
GROWTH = 1.5
"""Of the longest wait. With 2, some of the agents of a hub that takes 15 s to restart would come back half a minute later."""
_MOST_FAILURES = 11


class Retries:
    """Counts what has failed in a row."""

    def __init__(self, first_seconds: float = FIRST_SECONDS, last_seconds: float = LAST_SECONDS) -> None:
        self._first_seconds, self._last_seconds = first_seconds, last_seconds
        self._failures = 0

    def wait(self, *, connected_seconds: float, is_refused: bool) -> tuple[float, float]:
        """The shortest and longest wait after a connection has ended, or could not be opened (0 seconds)."""
        if connected_seconds > LASTING_SECONDS:
            self._failures = 0
        longest = min(self._last_seconds, self._first_seconds * GROWTH**self._failures)
        self._failures = min(self._failures + 1, _MOST_FAILURES)
        return (self._last_seconds / 2, self._last_seconds) if is_refused else (0.0, longest)
