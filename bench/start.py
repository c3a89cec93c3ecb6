"""From starting the program to the first reading: the one figure that is told in seconds of waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Figure
from bench.host import Host, fake_host
from tests.support.servers import Server, wait_for

_TIMES = 3


def measure() -> Iterator[Figure]:
    """`manage.py serve` to the first /api/snapshot with GPUs in it: the best of some, for waiting has noise on one side."""
    with fake_host() as host:
        firsts, agains = [], []
        for _ in range(_TIMES):
            with TemporaryDirectory(prefix="gpumon-bench-") as folder:
                firsts.append(_seconds(host, Path(folder)))
                agains.append(_seconds(host, Path(folder)))
    yield Figure(min(agains), " s", 2.5, f"start: `manage.py serve` to the first reading, best of {_TIMES}")
    yield Figure(
        min(firsts), " s", None, "the very first start, which makes the database and collects the static files"
    )


def _seconds(host: Host, folder: Path) -> float:
    server = Server(folder, environment=host.environment, telemetry_provider="pynvml")
    began = time.monotonic()
    server.start()
    try:
        wait_for(lambda: bool(server.json("/api/snapshot").get("gpus")), "the first reading")
        return time.monotonic() - began
    finally:
        server.stop()
