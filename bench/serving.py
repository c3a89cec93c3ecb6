"""`manage.py serve` on a measured host, and the pages and programs that watch it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.child import child
from bench.cpu import with_children
from bench.figures import CouldNotMeasure
from bench.host import Host
from tests.support.servers import Server, wait_for

WATCHERS = ("/ws/dashboard", "/ws/gpu")


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server from its first reading on; ended afterwards, and where it failed its log is told."""
    server.start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "readings")
        yield server
    except (CouldNotMeasure, OSError) as error:
        raise CouldNotMeasure(f"{error}; the server's log:\n{server.log}") from error
    finally:
        server.stop()


@contextmanager
def serving(host: Host, *, hz: int) -> Iterator[Server]:
    """The server with its sampler, as `make run` starts it, reading the host's GPUs."""
    with TemporaryDirectory(prefix="gpumon-bench-") as folder:
        server = Server(
            Path(folder),
            environment=host.environment,
            telemetry_provider="pynvml",
            poll_interval_ms=1000 // hz,
            ws_max_rate_hz=30,
        )
        with running(server):
            yield server


@contextmanager
def watched(server: Server) -> Iterator[None]:
    """One open page and one reader of the feed, in processes of their own."""
    with ExitStack() as stack:
        for path in WATCHERS:
            assert stack.enter_context(child("bench.readers", str(server.port), path, "1")).answer() == "open"
        yield


def processes(server: Server) -> list[int]:
    """The PIDs of the server and its sampler."""
    assert server.process is not None
    return with_children(server.process.pid)
