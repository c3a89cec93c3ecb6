"""A problem that lasts is logged when it begins, once an hour, and when it is over; not each time that it is noticed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

AGAIN_SECONDS = 3600.0
_NUMBERS = re.compile(r"\d+")


class LastingProblem:
    """The current problem of one thing. Used from one thread."""

    def __init__(self, log: logging.Logger, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic = monotonic
        self._kind: str | None = None
        self._logged_at = 0.0

    def noticed(self, text: str) -> None:
        """Log the problem, unless the last one differed at most in its numbers and was logged within the hour."""
        kind, now = _NUMBERS.sub("#", text), self._monotonic()
        if kind != self._kind or now - self._logged_at >= AGAIN_SECONDS:
            self._kind, self._logged_at = kind, now
            self._log.warning("%s", text)

    def is_over(self, text: str) -> None:
        """Log this, if there was a problem."""
        if self._kind is not None:
            self._kind = None
            self._log.info("%s", text)
