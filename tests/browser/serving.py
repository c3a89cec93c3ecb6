"""Starts the servers of the browser tests."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import Server, wait_for


def start(folder: Path, driver: FakeDriver | None = None, **settings: object) -> Server:
    """Start a server that has readings. With a driver, it finds no other source of readings on this machine.

    Each reading costs an open page much more time than the server, so it has five a second only where a test changes values.
    """
    environment = {**driver.env, "PATH": "/nonexistent"} if driver else {}
    given = {"poll_interval_ms": 200 if driver else 1000, "ws_max_rate_hz": 30, "sampler_timeout_ms": 500, **settings}
    server = Server(folder, environment, **given).start()
    wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
    return server
