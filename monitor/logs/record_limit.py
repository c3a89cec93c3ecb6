"""At most some records of a kind per minute, then one that counts the rest, as journald does: no one outside can fill the log."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST = 20
"""Records of a kind in PERIOD_SECONDS."""
PERIOD_SECONDS = 60.0
MOST_KINDS = 500
"""Kinds that are counted at the same time; of more, the oldest begins again."""
COMPLETE = ("monitor.alerts.", __name__)
"""Loggers without a limit: each record is about another alert, and only rules decide how many there are."""
_SHOWN = 100
"""Characters of the example in the record that counts."""

Later = Callable[[float, Callable[[], object]], None]


def _in_thread(seconds: float, call: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


class _Count:
    """The records of one kind since the first of them."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.records = 0


class RecordLimit(logging.Filter):
    """Warnings and errors only: settings choose the records below, and a critical one ends something."""

    def __init__(
        self,
        write: Callable[[logging.LogRecord], object],
        *,
        most: int = MOST,
        monotonic: Callable[[], float] = time.monotonic,
        later: Later = _in_thread,
    ) -> None:
        """`write` takes the records that count. `later` calls a function after some seconds."""
        super().__init__()
        self._write = write
        self._most = most
        self._monotonic = monotonic
        self._later = later
        self._lock = threading.Lock()
        self._counts: OrderedDict[Hashable, _Count] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write this record."""
        if not logging.WARNING <= record.levelno < logging.CRITICAL or record.name.startswith(COMPLETE):
            return True
        kind, now = _kind_of(record), self._monotonic()
        with self._lock:
            count = self._counts.get(kind)
            if count is None or now - count.began >= PERIOD_SECONDS:
                count = self._counts[kind] = _Count(now)
                self._counts.move_to_end(kind)
                if len(self._counts) > MOST_KINDS:
                    self._counts.popitem(last=False)
            count.records += 1
            is_first_too_many = count.records == self._most + 1
        if is_first_too_many:
            self._later(count.began + PERIOD_SECONDS - now, lambda: self._write(self._rest(count, record)))
        return count.records <= self._most

    def _rest(self, count: _Count, record: logging.LogRecord) -> logging.LogRecord:
        left_out = count.records - self._most
        example = record.getMessage()
        if len(example) > _SHOWN:
            example = f"{example[:_SHOWN]}…"
        text = "left out %d more records of %s within a minute, such as: %s"
        rest = logging.LogRecord(
            __name__, record.levelno, record.pathname, record.lineno, text, (left_out, record.name, example), None
        )
        rest.fields = {"left_out": left_out}
        return rest


def _kind_of(record: logging.LogRecord) -> Hashable:
    """Where it was logged. Django logs every refused request in one place, so the status counts too, and the kind of error."""
    error = record.exc_info[0] if record.exc_info else None
    return record.name, record.levelno, record.pathname, record.lineno, getattr(record, "status_code", None), error
