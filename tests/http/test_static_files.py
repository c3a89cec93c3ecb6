"""Static files with DEBUG on, as they are served while gpumon is worked on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import Server, wait_for
from tests.web.test_garbage import PARTS, request, status_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("debug"), telemetry_provider="simulated", debug="true").start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield server
    finally:
        server.stop()


def test_a_file_is_served_from_where_it_lies(server: Server) -> None:
    status, text = server.get("/static/css/gpumon.css")
    assert (status, "--line" in text) == (200, True)


@pytest.mark.parametrize("folder", [b"/static/", b"/static/css/", b"/static/css/gpumon.css"])
def test_garbage_in_place_of_a_file_is_not_found_and_no_fault(server: Server, folder: bytes) -> None:
    """ServeStatic ends in an error there, on purpose."""
    assert {part[:20]: status for part in PARTS if (status := status_of(server, request(folder + part))) >= 500} == {}
    assert status_of(server, request(folder + b"/nothing.js")) == 404
