"""A private Redis server on a free port, without files; Debian's package `redis-server`."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator

from tests.support.servers import free_port, wait_for

PASSWORD = "redis-password"
RIGHTS = ("~gpumon:*", "+@read", "+@write", "+@connection", "+time")
"""As docs/fleet.md says."""


class RedisServer:
    """Started by `running_redis`. It keeps nothing when it stops."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://gpumon:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        users = ["--user", "default", "off", "--user", "gpumon", "on", f">{PASSWORD}", *RIGHTS]
        self._process = subprocess.Popen(["redis-server", *options, *users], stdout=subprocess.DEVNULL)
        wait_for(self._listens, "redis-server")

    def stop(self) -> None:
        """Connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def freeze(self, *, is_frozen: bool = True) -> None:
        """It holds connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def revive(self) -> None:
        """Run, and answer."""
        if self._process is None:
            self.start()
        self.freeze(is_frozen=False)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def running_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
