"""The measured servers, each in its own data folder, and the clients that watch them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.child import child
from bench.cpu import with_children
from bench.figures import CouldNotMeasure
from bench.host import Host
from bench.recorded import recorded
from tests.support.servers import Server, wait_for

_ENOUGH = 0.8
"""The share of the due readings that must arrive: with fewer, the machine is too busy to measure."""


@contextmanager
def data_folder() -> Iterator[Path]:
    """A temporary data folder."""
    with TemporaryDirectory(prefix="gpumon-bench-") as name:
        yield Path(name)


@contextmanager
def listening(server: Server) -> Iterator[Server]:
    """Run the server; yields once it listens. If the measurement fails, the error includes the server's log."""
    server.start()
    try:
        yield server
    except (CouldNotMeasure, OSError) as error:
        raise CouldNotMeasure(f"{error}; the server's log:\n{server.log}") from error
    finally:
        server.stop()


@contextmanager
def serving(environment: Mapping[str, str] | None = None, **settings: object) -> Iterator[Server]:
    """Run `manage.py serve` with these settings; yields once it has readings."""
    with data_folder() as folder, listening(Server(folder, environment, **settings)) as server:
        wait_for(lambda: server.get("/api/health")[0] == 200, "readings")
        yield server


@contextmanager
def serving_host(
    host: Host, *, hz: int, environment: Mapping[str, str] | None = None, **more: object
) -> Iterator[Server]:
    """Run the server on the fake driver's GPUs, as `make run` starts it, with more variables and settings."""
    settings = {"poll_interval_ms": 1000 // hz, "ws_max_rate_hz": 30, **more}
    with serving({**host.environment, **(environment or {})}, telemetry_provider="pynvml", **settings) as server:
        yield server


@contextmanager
def replaying(*, gpus: int, hz: int, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run the server on recorded GPUs: every value changes at each reading, and reading costs almost nothing."""
    settings = {"poll_interval_ms": 1000 // hz, "ws_max_rate_hz": 30, "replay_speed": 0}
    with (
        recorded(gpus=gpus, hz=hz) as recording,
        serving(environment, telemetry_provider="replay", replay_file=recording, **settings) as server,
    ):
        yield server


@contextmanager
def watched(server: Server) -> Iterator[None]:
    """Keep one dashboard socket and one feed socket open, each in its own process."""
    with ExitStack() as stack:
        watchers = [
            stack.enter_context(child("bench.clients.readers", str(server.port), path, "1"))
            for path in ("/ws/dashboard", "/ws/gpu")
        ]
        for watcher in watchers:
            watcher.answer()  # it is connected
        yield
        for watcher in watchers:
            watcher.ask("count")  # it is still connected


def processes(server: Server) -> list[int]:
    """The PIDs of the server (first) and its sampler."""
    assert server.process is not None
    return with_children(server.process.pid)


class Readings:
    """Counts the readings of a server since the counter was made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._began = self._seq()

    def count(self, *, due: float) -> int:
        """Readings so far. Raises CouldNotMeasure if far fewer than were due have arrived."""
        count = self._seq() - self._began
        if count < _ENOUGH * due:
            raise CouldNotMeasure(f"only {count} readings where {due:.0f} were due")
        return count

    def _seq(self) -> int:
        seq: int = self._server.json("/api/snapshot")["seq"]
        return seq
