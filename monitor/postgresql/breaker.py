"""Remembers that a server hangs, so that not every page waits for it: one attempt at a time finds out when it answers again."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable

PAUSE_SECONDS = 1.0
"""Between the end of one attempt and the next."""
ATTEMPT_SECONDS = 15.0
"""After that an attempt that has not reported counts as failed."""


class Breaker:
    """For the connections to one server, from any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next_try_at: float | None = None
        """None: the server answers, as far as is known."""
        self._lock = threading.Lock()

    def may_try(self) -> bool:
        """Whether to connect now. While the server hangs, this is True for one caller, who then reports."""
        with self._lock:
            if self._next_try_at is None:
                return True
            now = self._monotonic()
            if now < self._next_try_at:
                return False
            self._next_try_at = now + ATTEMPT_SECONDS
            return True

    def hangs(self) -> None:
        """An attempt, or an answer, has timed out."""
        with self._lock:
            self._next_try_at = self._monotonic() + PAUSE_SECONDS

    def answers(self) -> None:
        """The server has answered, or refused at once."""
        with self._lock:
            self._next_try_at = None


@functools.cache
def breaker_of(place: str) -> Breaker:
    """The one of this process for a server."""
    return Breaker()
