"""What systemd is told of a server of `Type=notify`: that it is ready, that it is alive, that it ends. See sd_notify(3)."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

log = logging.getLogger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
Clock = Callable[[], float]


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


class Pulse:
    """Whether something that should go on goes on: it is alive while what is looked at changes often enough."""

    def __init__(
        self, look: Callable[[], object], longest_seconds: Callable[[], float], now: Clock = time.monotonic
    ) -> None:
        """`look` gives the newest thing (compared by identity), `longest_seconds` how long it may stay the same."""
        self._look = look
        self._longest_seconds = longest_seconds
        self._now = now
        self._seen = look()
        self._since = now()

    def __call__(self) -> bool:
        newest, now = self._look(), self._now()
        if newest is not self._seen:
            self._seen, self._since = newest, now
        return now - self._since <= self._longest_seconds()


def lifespan(
    systemd: Systemd, is_alive: Callable[[], bool], *, at_end: Callable[[], None] = lambda: None
) -> Callable[..., Any]:
    """An ASGI application for the lifespan protocol: ready once the server says that it has started.

    For uvicorn; daphne has no lifespan, there `manage.py serve` does the same. It does not say that the service ends: a worker
    that ends may be followed by another, so that is for gunicorn's master to say. `at_end`: called in a thread once every
    connection is closed.
    """

    async def app(_scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        telling: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                telling = asyncio.create_task(systemd.keep_telling(is_alive))
                systemd.tell(READY)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if telling is not None:
                    telling.cancel()
                await asyncio.to_thread(at_end)
                await send({"type": "lifespan.shutdown.complete"})
                return

    return app
