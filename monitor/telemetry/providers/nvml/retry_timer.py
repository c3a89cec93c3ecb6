"""When to ask a driver again for what it has refused."""

from __future__ import annotations

import math

_FIRST_SECONDS = 5.0
_LONGEST_SECONDS = 300.0


class RetryTimer:
    """Due soon after a refusal, then less and less often: many refusals are for ever, and some pass after seconds."""

    def __init__(self) -> None:
        self._pause = _FIRST_SECONDS
        self._due = math.inf
        self._refused_count = 0

    def is_due(self, at: float) -> bool:
        """Whether to ask again now; `at` is monotonic seconds."""
        return at >= self._due

    def expire(self) -> None:
        """Become due now: something has changed that can change the answers."""
        self._due = -math.inf
        self._refused_count = 0  # what is refused then is a new refusal

    def note(self, refused_count: int, at: float, *, has_asked: bool) -> None:
        """Set the next time. `refused_count` is how much the driver refuses, `has_asked` whether it was just asked again."""
        if self._due == -math.inf and not has_asked:
            return
        if refused_count > self._refused_count:
            self._pause = _FIRST_SECONDS
        elif has_asked:
            self._pause = min(2 * self._pause, _LONGEST_SECONDS)
        else:
            return
        self._refused_count = refused_count
        self._due = at + self._pause if refused_count else math.inf
