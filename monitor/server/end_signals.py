"""Ends a process without an event loop on SIGTERM or Ctrl-C."""

from __future__ import annotations

import _thread
import signal
import threading


def set_at_the_end(event: threading.Event) -> None:
    """Set `event` on SIGTERM and SIGINT. Call it in the main thread.

    Another thread sets it. Python runs handlers in the main thread: if that one has just taken the event's lock, to wait for it,
    `set` in the handler would wait for the same lock for ever. `threading` itself takes locks to start a thread.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _thread.start_new_thread(event.set, ()))
