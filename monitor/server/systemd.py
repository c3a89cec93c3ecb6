"""Notify systemd of a server or an agent of `Type=notify`: ready, alive, stopping. See sd_notify(3)."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Mapping, MutableMapping

log = logging.getLogger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
LOOK_SECONDS = 1.0
"""The longest wait for the end. A signal that comes just before a thread begins to wait does not wake it: Python runs the handler,
which sets the event, when the wait is over.
"""


class Systemd:
    """systemd's notification socket. Without one, if started by hand, nothing is sent."""

    def __init__(self, path: str | None, watchdog_seconds: float | None = None) -> None:
        """`path`: a Unix datagram socket, with `@` before an abstract one; None if there is none.
        `watchdog_seconds`: systemd restarts the service after this time without a signal; None without a watchdog.
        """
        self._path = path
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Systemd:
        """Read the environment and remove the variables from it, so that no child notifies systemd."""
        given = {name: environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")}
        return cls(given["NOTIFY_SOCKET"] or None, _seconds(given))

    def notify(self, message: str) -> None:
        """Send one message. A failure is logged and the service continues."""
        if self._path is None:
            return
        address = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message.encode(), address)
        except OSError as error:
            log.warning("cannot send %s to systemd: %s: %s", message, self._path, error)

    async def signal_watchdog(self, is_alive: Callable[[], bool]) -> None:
        """Signal the watchdog from the event loop, twice per period, while `is_alive`. Returns at once without a watchdog.

        A hanging event loop signals nothing, nor does a running one whose readings have stopped.
        """
        if self._path is None or self.watchdog_seconds is None:
            return
        was_alive = True
        while True:
            was_alive = self._signal(is_alive, was_alive=was_alive)
            await asyncio.sleep(self.watchdog_seconds / 2)

    def signal_watchdog_until(self, is_over: threading.Event, is_alive: Callable[[], bool]) -> None:
        """Wait for `is_over` in this thread, and signal the watchdog meanwhile, if there is one, in the same way."""
        was_alive = True
        period = self.watchdog_seconds
        while not is_over.wait(LOOK_SECONDS if period is None else min(LOOK_SECONDS, period / 2)):
            if period is not None:
                was_alive = self._signal(is_alive, was_alive=was_alive)

    def _signal(self, is_alive: Callable[[], bool], *, was_alive: bool) -> bool:
        if is_still := is_alive():
            self.notify(ALIVE)
        elif was_alive:
            log.critical("readings have stopped; no longer signaling the systemd watchdog")
        return is_still


def _seconds(given: Mapping[str, str]) -> float | None:
    """The watchdog's period. WATCHDOG_PID can be another process: under gunicorn the worker signals for the master."""
    micros = given["WATCHDOG_USEC"]
    return int(micros) / 1_000_000 if micros.isdecimal() and int(micros) > 0 else None
