"""A real daphne for each module, with simulated GPUs or the fake driver."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.support.servers import Server, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Eight simulated GPUs, ten readings a second. Its sampler has to stop with it."""
    server = Server(
        tmp_path_factory.mktemp("data"),
        telemetry_provider="simulated",
        simulated_gpus=8,
        poll_interval_ms=100,
        ws_max_rate_hz=30,
        history="false",  # what it keeps in memory would count as a leak
        record_usage="false",
    ).start()
    wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
    yield server
    pid = server.health()["sampler_pid"]
    server.stop()
    wait_for(lambda: not psutil.pid_exists(pid), "the sampler to be gone")
