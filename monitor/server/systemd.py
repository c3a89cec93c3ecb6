"""What systemd is told of a server of `Type=notify`: that it is ready, that it is alive, that it ends. See sd_notify(3)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, MutableMapping

log = logging.getLogger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


class Systemd:
    """The socket that systemd listens on for this service. Without one (started by hand) nothing is sent."""

    def __init__(self, path: str | None, watchdog_seconds: float | None = None) -> None:
        """`path`: of a Unix datagram socket, an abstract one with `@` before it; None: there is none.
        `watchdog_seconds`: after so long without a sign of life systemd ends the service; None: it does not watch.
        """
        self._path = path
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Systemd:
        """As the environment says; the variables are taken away, so that no child speaks for the service."""
        given = {name: environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")}
        return cls(given["NOTIFY_SOCKET"] or None, _seconds(given))

    def tell(self, message: str) -> None:
        """Send one message. A socket that does not take it is logged: the service goes on, and systemd judges by itself."""
        if self._path is None:
            return
        address = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message.encode(), address)
        except OSError as error:
            log.warning("systemd was not told %s: %s: %s", message, self._path, error)

    async def keep_telling(self, is_alive: Callable[[], bool]) -> None:
        """Send signs of life from the event loop, twice as often as is asked for, while `is_alive`; at once if nobody watches.

        An event loop that hangs sends none, nor does one that turns while the readings have stopped.
        """
        if self._path is None or self.watchdog_seconds is None:
            return
        was_alive = True
        while True:
            if is_still := is_alive():
                self.tell(ALIVE)
            elif was_alive:
                log.critical("no readings come any more: systemd is no longer told that this service is alive")
            was_alive = is_still
            await asyncio.sleep(self.watchdog_seconds / 2)


def _seconds(given: Mapping[str, str]) -> float | None:
    """The watchdog's time. WATCHDOG_PID may be another process: gunicorn's master has its worker speak."""
    micros = given["WATCHDOG_USEC"]
    return int(micros) / 1_000_000 if micros.isdecimal() and int(micros) > 0 else None
