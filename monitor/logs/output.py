"""Where log records go, in the server and in its sampler: one line each, also where Python would write many of its own."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from types import TracebackType

log = logging.getLogger(__name__)


class LineHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the type stubs alone
    """Writes to standard error. Of a record that cannot be formatted it says so, in a record."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging calls it
        """Called within the `except` of the failure. Logging's own way is a traceback over many lines."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            return  # the stream is gone: nowhere to tell it
        told = f"a record of {record.pathname}:{record.lineno} cannot be written: {type(error).__name__}: {error}"
        instead = logging.LogRecord(record.name, logging.ERROR, record.pathname, record.lineno, told, (), None)
        with contextlib.suppress(OSError):
            self.stream.write(self.format(instead) + self.terminator)
            self.flush()


def log_uncaught() -> None:
    """From now on an error that ends this process, or one of its threads, is a record. Ctrl-C is none."""

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            log.critical("ended by an error", exc_info=(kind, error, trace))
        else:
            sys.__excepthook__(kind, error, trace)

    def of_thread(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None and not issubclass(ended.exc_type, SystemExit):
            name = ended.thread.name if ended.thread else "that is gone"
            log.critical("thread %s: ended by an error", name, exc_info=ended.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread
