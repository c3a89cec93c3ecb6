"""Where log records go, in the server and in its sampler. What Python itself would print to stderr becomes a record too."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from types import TracebackType
from typing import TextIO

from monitor.logs.record_limit import RecordLimit

log = logging.getLogger(__name__)


class LineHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic only in the type stubs
    """Writes to standard error, of each kind a limited number. If a record cannot be formatted, writes a record that says so."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self.addFilter(RecordLimit(self.handle))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Called in the `except` block of the failure. Logging's own way is to print a traceback in no log format."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError) or self.stream.closed:
            return  # there is nowhere to report it
        message = f"cannot write a record of {record.pathname}:{record.lineno}: {type(error).__name__}: {error}"
        instead = logging.LogRecord(record.name, logging.ERROR, record.pathname, record.lineno, message, (), None)
        with contextlib.suppress(OSError):
            self.stream.write(self.format(instead) + self.terminator)
            self.flush()


def log_uncaught() -> None:
    """From now on, log errors that end this process or one of its threads. Ctrl-C is not an error."""

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            log.critical("ended by an error", exc_info=(kind, error, trace))
        else:
            sys.__excepthook__(kind, error, trace)

    def of_thread(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None and not issubclass(ended.exc_type, SystemExit):
            name = ended.thread.name if ended.thread else "(unknown)"
            log.critical("thread %s: ended by an error", name, exc_info=ended.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread
