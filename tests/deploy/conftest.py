"""Chromium as in tests/browser, the servers and the installation of deploy/, and whether a container engine is available."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.commands import COMMANDS, StartServer
from tests.deploy.engine import answering_engine
from tests.deploy.units import installed
from tests.support.pages import browser, open_page
from tests.support.servers import Server, wait_for

__all__ = ["browser", "installed", "open_page"]

collect_ignore = [] if answering_engine() else ["test_image_build.py"]
"""Ignored, since a skip fails in CI: without an engine, hadolint and test_image.py check the Dockerfile."""


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """`start_server("gunicorn", base_path="/gpus")`: a running server with simulated GPUs and static files in a folder
    that others can read. Only the admin requires a login.
    """
    started = []

    def start(kind: str, **settings: object) -> Server:
        folder: Path = tmp_path_factory.mktemp(kind)
        given = {"telemetry_provider": "simulated", "poll_interval_ms": 200, "auth": "none"}
        server = Server(folder, None, COMMANDS[kind], **{**given, **settings})
        started.append(server)
        server.start()
        wait_for(lambda: server.get("/api/health")[0] == 200, f"the first reading; the log:\n{server.log}")
        return server

    yield start
    for server in started:
        server.stop()
