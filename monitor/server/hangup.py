"""Ends a server with its terminal as SIGTERM does, which closes sockets and saves the state of alerts."""

from __future__ import annotations

import os
import signal
import threading


def end_with_terminal() -> None:
    """Shut down on SIGHUP, whose default ends a process at once.

    `nohup` ignores the signal, so that a server runs on; other handlers, such as gunicorn's, are kept. Servers handle SIGTERM
    themselves. Does nothing outside the main thread, which alone can have handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
