"""gunicorn with the configuration in deploy/gunicorn: the limits of the worker, which gunicorn's options do not set."""

from __future__ import annotations

import http.client
import json
import re
import socket
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.deploy.commands import GUNICORN, StartServer
from tests.support.deaf_clients import HANDSHAKE, PING, REQUEST, deaf_client, memory
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    return start_server("gunicorn")


def first_line(server: Server, request: bytes) -> bytes:
    """The status line of the response; empty if the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=40) as client:
        try:
            client.sendall(request)
            return client.recv(4096).partition(b"\r\n")[0]
        except ConnectionError:
            return b""


def send_and_drain(client: ClientConnection, message: str) -> None:
    """Send, then receive until the socket is closed."""
    client.send(message)
    for _ in range(200):
        client.recv(timeout=40)


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
        assert json.loads(other.recv(timeout=40))["gpus"]


@pytest.mark.parametrize(("begins", "repeats"), [(HANDSHAKE, PING), (b"", REQUEST)], ids=["pings", "requests"])
def test_answers_to_a_client_that_never_reads_use_no_memory(server: Server, begins: bytes, repeats: bytes) -> None:
    """Regression: uvicorn read on and kept 70 MB of pipelined requests per connection, without a login."""

    def growth() -> int:
        before = memory(server)
        with deaf_client(server, begins=begins, repeats=repeats), connect(f"{server.ws}/ws/gpu") as other:
            assert other.recv(timeout=40)
            return memory(server) - before

    assert any(growth() < 8 << 20 for _round in range(3)), "the first rounds fill caches"
    wait_for(lambda: sum(server.health()["clients"].values()) == 0, "the deaf client to be released")


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    requests = b"".join(
        f"{method} /api/schema HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {number}\r\n\r\n".encode()
        for number, method in enumerate(["GET", "HEAD", "GET"] * 300)
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=40) as client:
        client.sendall(requests + b"GET /api/schema HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answered = re.findall(rb"x-request-id: (\d+)\r\n", client.makefile("rb").read(), re.IGNORECASE)
    assert [int(number) for number in answered] == list(range(900))


def test_keep_alive_connection_takes_requests_with_and_without_a_body(server: Server) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)) as client:
        for method, body in [("GET", None), ("POST", b"x" * 300_000), ("GET", None), ("POST", b"x"), ("GET", None)]:
            client.request(method, "/api/schema", body)
            answer = client.getresponse()
            assert answer.read()
            assert answer.status == (200 if method == "GET" else 405)


def test_socket_is_not_compressed_and_answers_the_last_ping(server: Server) -> None:
    """Compression would be done again for each client."""
    with connect(f"{server.ws}/ws/gpu", compression="deflate") as client:
        assert client.protocol.extensions == []
        assert client.ping("once").wait(10)


def test_refused_handshake_is_no_error_in_the_log(server: Server) -> None:
    """uvicorn logs one, although the refusal is complete."""
    with pytest.raises(InvalidStatus), connect(f"{server.ws}/ws/gpu?hz=-1"):
        pass
    assert "completing handshake" not in server.log


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
    # gunicorn opens them in this order, so the Unix socket listens before the port answers.
    command = [*GUNICORN, "-b", f"unix:{path}", "-b", "127.0.0.1:{port}", "tests.deploy.echo:application"]
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
