"""Real servers for the API's tests: one with simulated GPUs, one on a host without GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.support.servers import Server, wait_for


@pytest.fixture(scope="session")
def gpu_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three simulated GPUs; secret key, port and data folder are set, everything else is default."""
    server = Server(
        tmp_path_factory.mktemp("gpus"),
        telemetry_provider="simulated",
        simulated_gpus=3,
        secret_key="a-secret-that-must-never-leave-the-server-0123456789",
    ).start()
    wait_for(lambda: server.health()["status"] == "ok", "the first reading")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory, nothing_found: Mapping[str, str]) -> Iterator[Server]:
    """A server where every provider was tried and none found a GPU."""
    server = Server(tmp_path_factory.mktemp("bare"), nothing_found).start()
    wait_for(lambda: bool(server.health()["providers"]), "every provider to be passed over")
    yield server
    server.stop()
