"""gunicorn with the configuration in deploy/gunicorn: the limits of the worker, which gunicorn's options do not set."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.deploy.commands import GUNICORN, StartServer
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    return start_server("gunicorn")


def first_line(server: Server, request: bytes) -> bytes:
    """The status line of the response; empty if the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        try:
            client.sendall(request)
            return client.recv(4096).partition(b"\r\n")[0]
        except ConnectionError:
            return b""


def send_and_drain(client: ClientConnection, message: str) -> None:
    """Send, then receive until the socket is closed."""
    client.send(message)
    for _ in range(200):
        client.recv(timeout=10)


def test_server_has_one_worker_and_one_sampler(server: Server) -> None:
    assert server.process is not None
    (worker,) = psutil.Process(server.process.pid).children()
    samplers = wait_for(lambda: [child.pid for child in worker.children()], "a sampler")
    assert [wait_for(lambda: server.health()["sampler_pid"], "its readings")] == samplers


def test_headers_beyond_the_limit_are_refused(server: Server) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000
    assert first_line(server, request) in {b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 400 ", b""}


def test_message_beyond_the_limit_closes_only_its_socket(server: Server) -> None:
    with connect(f"{server.ws}/ws/gpu") as other, connect(f"{server.ws}/ws/gpu") as client:
        with pytest.raises(ConnectionClosed):
            send_and_drain(client, "x" * 100_000)
        assert json.loads(other.recv(timeout=10))["gpus"]


def test_dead_worker_is_replaced(server: Server) -> None:
    assert server.process is not None
    master = psutil.Process(server.process.pid)
    (worker,) = master.children()
    worker.kill()
    wait_for(
        lambda: any(child.pid != worker.pid for child in master.children()) and server.get("/api/schema")[0] == 200,
        "another worker to serve",
    )


def test_headers_from_the_unix_socket_are_trusted_if_configured(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = [*GUNICORN, "-b", "127.0.0.1:{port}", "-b", f"unix:{path}", "tests.deploy.echo:application"]
    server = Server(tmp_path, None, command, trusted_proxies="unix").start()
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n"
    try:
        assert oct(path.stat().st_mode)[-3:] == "770", "others may pass for the proxy"
        with socket.socket(socket.AF_UNIX) as proxy, socket.create_connection(("127.0.0.1", server.port)) as other:
            proxy.connect(str(path))
            clients = []
            for connection in (proxy, other):
                connection.settimeout(20)
                connection.sendall(request)
                clients.append(json.loads(connection.makefile("rb").read().rpartition(b"\r\n\r\n")[2])["client"])
    finally:
        server.stop()
    assert clients == ["192.0.2.1", "127.0.0.1"]
