"""Log records of which a client decides the text: each one once, and few of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

MOST_TEXTS = 50
PERIOD_SECONDS = 3600.0


class LogOnce:
    """Logs each text once an hour, and at most 50 different ones in that time. Used from any thread."""

    def __init__(self, log: logging.Logger, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic = monotonic
        self._texts: set[str] = set()
        self._began = monotonic()
        self._lock = threading.Lock()

    def warning(self, message: str, *values: str | int) -> None:
        """Log this, as logging's own method does, if the text is new."""
        text = message % values
        with self._lock:
            if self._monotonic() - self._began >= PERIOD_SECONDS:
                self._texts.clear()
                self._began = self._monotonic()
            if text in self._texts or len(self._texts) > MOST_TEXTS:
                return
            self._texts.add(text)
            is_last = len(self._texts) > MOST_TEXTS
        if is_last:
            self._log.warning("many other such records follow; they are left out for an hour")
        else:
            self._log.warning(message, *values)


def shown(text: str) -> str:
    """Text from a client as it is logged: in quotes, on one line, at most 100 characters."""
    return repr(text if len(text) <= 100 else f"{text[:100]}…")
