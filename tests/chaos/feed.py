"""A client of /ws/gpu that connects again for ever, and what it has seen."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.support.servers import Server, wait_for

LONGEST_FRESH_SECONDS = 4.0
"""Twice the time after which a reading counts as hanging: nothing older is shown as fresh."""


class Seen(NamedTuple):
    """One message."""

    boot_id: str | None
    """Of the process that numbers the readings."""
    seq: int
    is_fresh: bool
    age_seconds: float
    sampled_at: float
    temperatures: tuple[float | None, ...]
    """By GPU index."""


class Feed:
    """Reads in a thread until it is closed."""

    def __init__(self, server: Server, query: str = "") -> None:
        """`query`: of the socket's address."""
        self._address = f"{server.ws}/ws/gpu{query}"
        self.server_start = 0
        """Raised when a process is replaced: the sizes before and after are not compared."""
        self.seen: list[Seen] = []
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._is_closing.set()
        self._thread.join(10)

    def wait_for_fresh(self, seconds: float) -> None:
        """Wait for a reading that was made from now on."""
        place = len(self.seen)
        wait_for(lambda: any(each.is_fresh for each in self.seen[place:][1:]), "a fresh reading", seconds=seconds)

    def check(self) -> None:
        """Numbers never go back, and nothing old is shown as fresh."""
        newest: dict[str | None, int] = {}
        for each in self.seen:
            assert each.seq >= newest.get(each.boot_id, 0), f"the number went back to {each}"
            newest[each.boot_id] = each.seq
            assert not each.is_fresh or each.age_seconds <= LONGEST_FRESH_SECONDS, f"shown as fresh: {each}"

    def _run(self) -> None:
        while not self._is_closing.is_set():
            try:
                with connect(self._address, compression=None, open_timeout=5) as socket:
                    while not self._is_closing.is_set():
                        self.seen.append(_seen(msgspec.json.decode(socket.recv(timeout=5))))
            except (OSError, TimeoutError, WebSocketException):
                time.sleep(0.2)  # the server is down, stopped or out of descriptors: that is what this is about


def _seen(message: dict[str, Any]) -> Seen:
    is_fresh = not message["stale"] and message["sampled_at"] is not None
    return Seen(
        message["boot_id"],
        message["seq"],
        is_fresh,
        message["age_seconds"] if is_fresh else 0.0,
        message["sampled_at"] or 0.0,
        tuple(gpu["temperature_celsius"] for gpu in message["gpus"]),
    )
