"""Ends a server that hangs: by systemd's watchdog, or by one of our own where systemd has none."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
from collections.abc import Callable

from monitor.server.systemd import Systemd

log = logging.getLogger(__name__)

HANG_SECONDS = 60.0
"""A server that hangs for this long ends itself, so that PM2, a container engine or gunicorn starts it again."""


async def watch(systemd: Systemd, is_alive: Callable[[], bool]) -> None:
    """Run in the event loop until cancelled."""
    if systemd.watchdog_seconds is not None:
        await systemd.signal_watchdog(is_alive)
    else:
        await end_if_hanging(is_alive)


async def end_if_hanging(is_alive: Callable[[], bool], *, seconds: float = HANG_SECONDS) -> None:
    """End this process with status 1 if the event loop hangs, or `is_alive` is False, for this long.

    Python's faulthandler does it in a thread that needs no interpreter lock, so that a regular expression which never ends is ended
    too. First it prints what each thread was doing.
    """
    was_alive = True
    try:
        while True:
            if is_still := is_alive():
                faulthandler.dump_traceback_later(seconds, exit=True)
            elif was_alive:
                log.critical("readings have stopped; the server ends in %g s if they do not return", seconds)
            was_alive = is_still
            await asyncio.sleep(seconds / 6)
    finally:
        faulthandler.cancel_dump_traceback_later()


def stop_for_terminal(*_: object) -> None:
    """The handler of SIGTSTP (Ctrl-Z): a server that is stopped by its user does not hang."""
    faulthandler.cancel_dump_traceback_later()
    os.kill(os.getpid(), signal.SIGSTOP)
