"""`manage.py serve` with GPUs on which every value changes at each tick: what the figures of the page are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.recorded import record
from bench.serving import running
from tests.support.servers import Server


@contextmanager
def replayed(*, gpus: int, hz: int) -> Iterator[Server]:
    """The server, once it has readings."""
    with TemporaryDirectory(prefix="gpumon-bench-") as name:
        folder = Path(name)
        record(folder / "recording.jsonl", gpus=gpus, hz=hz)
        server = Server(
            folder,
            telemetry_provider="replay",
            replay_file=folder / "recording.jsonl",
            replay_speed=0,
            poll_interval_ms=1000 // hz,
            ws_max_rate_hz=30,
        )
        with running(server):
            yield server
