"""Fixtures for the security tests: a default server with simulated GPUs, and an administrator."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests

from tests.support.servers import Server, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), telemetry_provider="simulated", simulated_gpus=1).start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def root(server: Server) -> requests.Session:
    """An administrator who has logged in."""
    name, password = server.make_superuser()
    visitor = requests.Session()
    login = f"{server.url}/login"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', visitor.get(login).text)
    assert token is not None
    given = {"username": name, "password": password, "csrfmiddlewaretoken": token[1], "next": "/"}
    assert visitor.post(login, given).status_code == 200
    return visitor
