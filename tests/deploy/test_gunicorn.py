"""gunicorn by deploy/gunicorn: pages, feed and limits of the worker, which gunicorn's own options do not reach."""

from __future__ import annotations

import json
import socket

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.deploy.conftest import StartServer
from tests.servers import Server, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    return start_server("gunicorn")


def first_line(server: Server, request: bytes) -> bytes:
    """How the server answers; empty where it just closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        try:
            client.sendall(request)
            return client.recv(4096).partition(b"\r\n")[0]
        except ConnectionError:
            return b""


def send_and_drain(client: ClientConnection, message: str) -> None:
    """Send, and receive until the socket is closed."""
    client.send(message)
    for _ in range(200):
        client.recv(timeout=10)


def test_there_is_one_worker_and_one_sampler(server: Server) -> None:
    assert server.process is not None
    (worker,) = psutil.Process(server.process.pid).children()
    samplers = wait_for(lambda: [child.pid for child in worker.children()], "a sampler")
    assert [wait_for(lambda: server.health()["sampler_pid"], "its readings")] == samplers


def test_headers_beyond_the_limit_are_refused(server: Server) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000
    assert first_line(server, request) in {b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 400 ", b""}


def test_a_message_beyond_the_limit_closes_its_socket_and_no_other(server: Server) -> None:
    with connect(f"{server.ws}/ws/gpu") as other, connect(f"{server.ws}/ws/gpu") as client:
        with pytest.raises(ConnectionClosed):
            send_and_drain(client, "x" * 100_000)
        assert json.loads(other.recv(timeout=10))["gpus"]


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    assert server.process is not None
    master = psutil.Process(server.process.pid)
    (worker,) = master.children()
    worker.kill()
    wait_for(
        lambda: any(child.pid != worker.pid for child in master.children()) and server.get("/api/schema")[0] == 200,
        "another worker to serve",
    )
