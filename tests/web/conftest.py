"""Real servers for the API's tests: one with simulated GPUs, one on a host where no provider finds anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.support.servers import Server, wait_for

SECRET = "a-secret-that-must-never-leave-the-server-0123456789"


@pytest.fixture(scope="session")
def gpu_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three simulated GPUs, read; a secret key, port and folder from the environment, the rest as it is by default."""
    server = Server(
        tmp_path_factory.mktemp("gpus"), telemetry_provider="simulated", simulated_gpus=3, secret_key=SECRET
    ).start()
    wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def nothing_found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a host without a GPU: no program in PATH, and an NVML that is no library."""
    folder = tmp_path_factory.mktemp("no_driver")
    # The loader takes the first file of that name (ld.so(8)) and fails on it: a real driver further on is not found.
    (folder / "libnvidia-ml.so.1").touch()
    return {"PATH": "/nonexistent", "LD_LIBRARY_PATH": str(folder)}


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory, nothing_found: Mapping[str, str]) -> Iterator[Server]:
    """Everything has been tried and nothing found."""
    server = Server(tmp_path_factory.mktemp("bare"), nothing_found).start()
    wait_for(lambda: bool(server.health()["providers"]), "every provider to be passed over")
    yield server
    server.stop()
