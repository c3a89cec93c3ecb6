"""Requests that never end, arrive byte by byte or are too large, against the real daphne with short time limits."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from monitor.http.body_limit import LARGEST_BODY
from tests.support.people import csrf_cookie_name
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow

HEAD = b"POST /alerts/00000000-0000-4000-8000-000000000001/acknowledge HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.security.serve_hastily"]
    server = Server(tmp_path_factory.mktemp("hasty"), command=command, telemetry_provider="simulated").start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield server
    finally:
        server.stop()


def connected(server: Server) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", server.port), timeout=40))


def answer_to(client: socket.socket) -> bytes:
    """Everything the server sends until it closes the connection."""
    received = b""
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionError:
        return received
    return received


def drip(client: socket.socket, data: bytes, step_seconds: float = 0.05) -> bytes:
    """Send a byte now and then until the server closes the connection; return its answer."""
    try:
        for byte in data:
            client.sendall(bytes([byte]))
            time.sleep(step_seconds)
    except ConnectionError:
        return answer_to(client)
    raise AssertionError("the server took all of it")


GET = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        GET + b"X-Half: ",
        HEAD + b"Content-Length: 9\r\n\r\nno",
    ],
)
def test_unfinished_request_is_dropped(server: Server, sent: bytes) -> None:
    with connected(server) as client:
        client.sendall(sent)
        assert answer_to(client) == b""


@pytest.mark.parametrize(
    "begin", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", HEAD + b"Content-Length: 900\r\n\r\n"]
)
def test_request_that_arrives_byte_by_byte_is_dropped(server: Server, begin: bytes) -> None:
    """Slow loris: each byte once extended the limit by another minute."""
    with connected(server) as client:
        client.sendall(begin)
        assert drip(client, b"GET / HTTP/1.1" + b"a" * 500) == b""


def test_hundred_slow_clients_delay_no_other_client(server: Server) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=40) for _ in range(100)]
    try:
        for client in slow:
            client.sendall(b"GET / HTTP/1.1\r\n")
        assert server.get("/api/health")[0] == 200
        for client in slow:
            assert answer_to(client) == b""
    finally:
        for client in slow:
            client.close()


def test_keep_alive_connection_is_served_again_and_then_closed(server: Server) -> None:
    with connected(server) as client:
        for _ in range(2):
            client.sendall(b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert client.recv(15).startswith(b"HTTP/1.1 200")
            wait_for(lambda: client.recv(65536).endswith((b"}", b"\r\n0\r\n\r\n")), "the end of the answer")
        assert answer_to(client) == b""


def test_body_with_too_large_a_content_length_is_refused_before_it_arrives(server: Server) -> None:
    with connected(server) as client:
        client.sendall(HEAD + f"Content-Length: {LARGEST_BODY + 1}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert answer_to(client).startswith(b"HTTP/1.1 413 ")


def test_endless_chunked_body_is_refused_once_it_is_too_large(server: Server) -> None:
    sent = 0
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    with connected(server) as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):  # noqa: PT012
            while sent < 64 << 20:
                client.sendall(chunk)
                sent += len(chunk)
        assert sent < 16 << 20  # plus the buffers of the kernels on the way
    wait_for(lambda: server.health()["status"] == "ok", "it to be well")


@pytest.mark.parametrize(
    "header",
    [b"Cookie: other=" + b"a" * 17_000, b"Cookie: other=" + b"a" * 400_000, b"\r\n".join([b"X: " + b"a" * 1000] * 20)],
    ids=["one line", "more than is read at once", "many lines"],
)
def test_headers_that_are_too_large_are_431_with_a_word_about_cookies(server: Server, header: bytes) -> None:
    """Programs on the same host name share its cookies. The connection was closed without an answer or a record."""
    with connected(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + b"\r\n\r\n")
        answer = answer_to(client)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"Delete the cookies of this site" in answer
    assert b"Content-Security-Policy: default-src 'none'" in answer
    assert server.log.count("refused a request from 127.0.0.1: its headers are larger than 16384 bytes") == 1


def test_address_that_is_too_long_is_414(server: Server) -> None:
    with connected(server) as client:
        client.sendall(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert answer_to(client).startswith(b"HTTP/1.1 414 ")


def test_too_many_headers_are_refused(server: Server) -> None:
    header = b"\r\n".join(b"X-%d: y" % number for number in range(600))
    with connected(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + b"\r\n\r\n")
        assert answer_to(client)[:12] in (b"HTTP/1.1 400", b"")


def test_form_with_too_many_fields_is_400(server: Server) -> None:
    body = b"a=1&" * 2000
    with connected(server) as client:
        client.sendall(
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"Cookie: "
            + csrf_cookie_name(server).encode()
            + b"="
            + b"a" * 32
            + b"\r\n"  # without it the form is not read
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        assert answer_to(client).startswith(b"HTTP/1.1 400 ")
