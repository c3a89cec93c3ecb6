"""Plain HTTP for the address of a WebSocket: what a proxy in between makes of a handshake, and what a page asks then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow
PROXY = "a proxy in between does not forward WebSockets"
STRIPPED = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that needs no login and takes two sockets."""
    folder = tmp_path_factory.mktemp("small")
    server = Server(folder, telemetry_provider="simulated", simulated_gpus=1, max_sockets=2).start()
    wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
    yield server
    server.stop()


def ask(server: Server, method: str = "POST", path: str = "/ws/dashboard?view=", **headers: str) -> requests.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, server.url + path, headers=given, allow_redirects=False, timeout=40)


@pytest.mark.parametrize("path", ["/ws/dashboard?view=", "/ws/gpu", "/ws/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_request_without_an_upgrade_is_426(small: Server, method: str, path: str) -> None:
    answer = ask(small, method, path)
    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    assert "upgrade" in answer.headers["Connection"].lower()
    assert answer.headers["Cache-Control"] == "no-store"
    assert PROXY in answer.text or method == "HEAD"


def test_handshakes_that_a_proxy_has_changed_are_logged_once(small: Server) -> None:
    for _ in range(3):
        assert requests.get(f"{small.url}/ws/dashboard", headers=STRIPPED, timeout=40).status_code == 426
    (line,) = [line for line in small.log.splitlines() if "handshakes arrive without their upgrade" in line]
    assert (
        f"{PROXY}: handshakes arrive without their upgrade; let it pass on the headers Upgrade and Connection" in line
    )
    assert "Upgrade Required" not in small.log, "Django logs each"


def test_page_is_told_that_the_cause_is_in_between(small: Server) -> None:
    answer = ask(small, Origin=small.url)
    assert (answer.status_code, answer.text) == (426, f"Pages come, the socket does not: {PROXY}.")


def test_page_whose_handshake_the_server_refuses_is_not_told_of_a_proxy(small: Server) -> None:
    answer = ask(small, Origin="http://127.0.0.1:1")
    assert (answer.status_code, answer.text) == (403, "The server refuses the socket of this page; its log says why.")
    with ExitStack() as sockets:
        for _ in range(2):
            sockets.enter_context(connect(f"{small.ws}/ws/gpu"))
        answer = ask(small, Origin=small.url)
    assert answer.status_code == 429
    assert "the limit of GPU_MONITOR_MAX_SOCKETS" in answer.text
