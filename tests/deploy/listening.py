"""The receiving end of sd_notify: a real Unix datagram socket, named in the environment of the service."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.servers import wait_for


class NotifySocket:
    """Receives the messages of a service. `environment` holds the variables that systemd sets."""

    def __init__(self, folder: Path, watchdog_seconds: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self._heard: list[str] = []
        self.environment = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(int(watchdog_seconds * 1_000_000)),
        }

    def heard(self) -> list[str]:
        """All messages so far."""
        while True:
            try:
                self._heard.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self._heard

    def wait_for(self, message: str, times: int = 1) -> None:
        wait_for(lambda: self.heard().count(message) >= times, f"{message} ({times} times)")

    def close(self) -> None:
        self._socket.close()
