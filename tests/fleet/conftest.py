"""A real hub for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import Server, wait_for


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One simulated GPU of its own."""
    server = Server(tmp_path_factory.mktemp("hub"), telemetry_provider="simulated", simulated_gpus=1).start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield server
        assert "Traceback" not in server.log
    finally:
        server.stop()
