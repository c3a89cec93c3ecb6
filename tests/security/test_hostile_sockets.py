"""Clients that break the WebSocket protocol (RFC 6455) byte by byte, against the real daphne and the real uvicorn.

Errors that a client library can send, and memory with a client that never reads, are tested in tests/live/test_daphne.py.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow

UVICORN = [str(Path(sys.executable).with_name("uvicorn")), "--host", "127.0.0.1", "--port", "{port}", "--http", "h11",
           "--h11-max-incomplete-event-size", "32768", "--ws-max-size", "65536", "--ws-max-queue", "4",
           "gpumon_site.asgi:application"]  # fmt: skip
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
TEXT, MORE, CLOSE, PING = 1, 0, 8, 9


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = UVICORN if request.param == "uvicorn" else None
    server = Server(tmp_path_factory.mktemp(request.param), command=command, telemetry_provider="simulated", poll_interval_ms=100,
                    ws_max_rate_hz=30)  # fmt: skip
    server.start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield server
        # uvicorn itself writes a traceback for text that is not UTF-8.
        assert "Traceback" not in re.sub(
            r"^.* uvicorn\.error: Invalid UTF-8 .*\n(?:  .*\n)*", "", server.log, flags=re.MULTILINE
        )
    finally:
        server.stop()


def handshake(
    path: bytes = b"/ws/gpu", headers: bytes = UPGRADE + KEY, method: bytes = b"GET", version: bytes = b"1.1"
) -> bytes:
    return method + b" " + path + b" HTTP/" + version + b"\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n"


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    is_last: bool = True,
    reserved: int = 0,
    says: int | None = None,
    masked: bool = True,
) -> bytes:
    """A frame as a client sends it; `says`: the length in its header."""
    length = len(payload) if says is None else says
    first = (0x80 if is_last else 0) | reserved << 4 | opcode
    mask = 0x80 if masked else 0
    if length < 126:
        head = struct.pack("!BB", first, mask | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask | 127, length)
    return head + (bytes(4) if masked else b"") + payload  # a mask of zeros leaves the payload as it is


def opened(server: Server, headers: bytes = UPGRADE + KEY) -> socket.socket:
    """A socket after its handshake."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=40)
    client.sendall(handshake(headers=headers))
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def is_hung_up_on(client: socket.socket, most_bytes: int = 64 << 20) -> bool:
    """Whether the server closes the connection, after any data it sends first."""
    received = 0
    try:
        while data := client.recv(1 << 16):
            received += len(data)
            if received > most_bytes:
                return False
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def rss(server: Server) -> int:
    assert server.process is not None
    return int(psutil.Process(server.process.pid).memory_info().rss)


def is_well(server: Server) -> bool:
    """Another client is served, and the server has released the hostile ones."""
    with connect(f"{server.ws}/ws/gpu") as client:
        assert client.recv(timeout=40)
    wait_for(lambda: not any(server.health()["clients"].values()), "hostile clients to be forgotten")
    return wait_for(lambda: server.health()["status"] == "ok", "it to be well")


BROKEN = {
    "a frame of a terabyte": frame(b"x", says=1 << 40),
    "a frame of a negative length": frame(b"x", says=(1 << 64) - 1),
    "a frame that is too large": frame(b"x" * 200_000),
    "text that is no UTF-8": frame(b"\xff\xfe\xed\xa0\x80"),
    "half a character in the last frame": frame(b"{\xc3", is_last=False) + frame(b"", MORE),
    "reserved bits": frame(b"{}", reserved=7),
    "compressed though nobody agreed to it": frame(zlib.compress(b"{}"), reserved=4),
    "an opcode that is none": frame(b"{}", 5),
    "a frame without a mask": frame(b"{}", masked=False),
    "a continuation of nothing": frame(b"{}", MORE),
    "a message within a message": frame(b"{", is_last=False) + frame(b"{}"),
    "a ping in two frames": frame(b"x", PING, is_last=False),
    "a ping that is too large": frame(b"x" * 126, PING),
    "a close of one byte": frame(b"x", CLOSE),
    "a close with a forbidden code": frame(struct.pack("!H", 1005), CLOSE),
    "a close whose reason is no UTF-8": frame(struct.pack("!H", 1000) + b"\xff", CLOSE),
    "garbage": os.urandom(4) + b"\xff" * 4000,
    "HTTP once more": handshake(),
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_client_that_breaks_the_protocol_is_disconnected(server: Server, sent: bytes) -> None:
    with closing(opened(server)) as client:
        try:
            client.sendall(sent)
        except ConnectionError:
            pass
        else:
            assert is_hung_up_on(client)
    assert is_well(server)


def test_data_sent_before_the_handshake_is_answered_breaks_nothing(server: Server) -> None:
    for early in (frame(b'{"hz": 1}'), frame(b"x" * 100_000), b"\xff" * 100, frame(b"", CLOSE)):
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=40)) as client:
            client.sendall(handshake() + early)
            assert client.recv(9) in (b"HTTP/1.1 ", b"")
    assert is_well(server)


def test_message_in_endless_frames_is_cut_off_and_takes_no_memory(server: Server) -> None:
    before = rss(server)
    sent = 0
    with closing(opened(server)) as client:
        client.sendall(frame(b"{", is_last=False))
        with pytest.raises(ConnectionError):  # noqa: PT012
            while sent < 32 << 20:
                client.sendall(frame(b"x" * 1000, MORE, is_last=False) * 50)
                sent += 50_000
        assert sent < 16 << 20
    assert is_well(server)
    assert rss(server) - before < 20 << 20


def test_endless_empty_frames_delay_no_other_client(server: Server) -> None:
    with closing(opened(server)) as client, connect(f"{server.ws}/ws/gpu") as bystander:
        client.sendall(frame(b"{", is_last=False))
        try:
            for _ in range(20):
                client.sendall(frame(b"", MORE, is_last=False) * 500)
        except ConnectionError:
            pass
        assert bystander.recv(timeout=40)
    assert is_well(server)


def test_flood_of_pings_delays_no_other_client_and_takes_no_memory(server: Server) -> None:
    before = rss(server)
    with closing(opened(server)) as client, connect(f"{server.ws}/ws/gpu") as bystander:
        client.settimeout(2)
        try:
            for _ in range(100):
                client.sendall(frame(b"p" * 100, PING) * 100)
                client.recv(1 << 20)
        except OSError:
            pass  # the server stops reading while its answers are not read
        assert bystander.recv(timeout=40)
    assert is_well(server)
    assert rss(server) - before < 20 << 20


def test_message_that_unpacks_to_a_hundred_megabytes_is_not_unpacked(server: Server) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (packer.compress(b" " * (100 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    before = rss(server)
    with closing(opened(server, UPGRADE + KEY + b"Sec-WebSocket-Extensions: permessage-deflate\r\n")) as client:
        for start in range(0, len(bomb), 60_000):
            part = bomb[start : start + 60_000]
            try:
                client.sendall(
                    frame(
                        part, MORE if start else TEXT, is_last=start + 60_000 >= len(bomb), reserved=0 if start else 4
                    )
                )
            except ConnectionError:
                break
        assert is_hung_up_on(client)
    assert is_well(server)
    assert rss(server) - before < 20 << 20


HANDSHAKES = {
    "no key": handshake(headers=UPGRADE + b"Sec-WebSocket-Version: 13\r\n"),
    "no version": handshake(headers=UPGRADE + KEY.split(b"\r\n")[0] + b"\r\n"),
    "a version of the future": handshake(headers=UPGRADE + KEY.replace(b"13", b"99")),
    "a version that is no number": handshake(headers=UPGRADE + KEY.replace(b"13", b"abc")),
    "a key that is too short": handshake(headers=UPGRADE + KEY.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"aa")),
    "a key that is no base64": handshake(headers=UPGRADE + KEY.replace(b"dGhl", b"\xff\xfe!!")),
    "two keys": handshake(headers=UPGRADE + KEY + KEY),
    "HTTP/1.0": handshake(version=b"1.0"),
    "POST": handshake(method=b"POST"),
    "a body": handshake(headers=UPGRADE + KEY + b"Content-Length: 3\r\n") + b"abc",
    "no connection header": handshake(headers=b"Upgrade: websocket\r\n" + KEY),
    "extensions that are none": handshake(headers=UPGRADE + KEY + b"Sec-WebSocket-Extensions: ;;,=\r\n"),
    "a window of the compression that is none": handshake(
        headers=UPGRADE + KEY + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n"
    ),
    "protocols that are none": handshake(headers=UPGRADE + KEY + b"Sec-WebSocket-Protocol: ,,\xff, \r\n"),
    "a hundred protocols": handshake(headers=UPGRADE + KEY + b"Sec-WebSocket-Protocol: " + b"a, " * 100 + b"b\r\n"),
    "an origin that is none": handshake(headers=UPGRADE + KEY + b"Origin: http://[\xff\r\n"),
    "two origins": handshake(headers=UPGRADE + KEY + b"Origin: http://127.0.0.1\r\nOrigin: http://evil.example\r\n"),
    "another host": handshake(headers=UPGRADE + KEY).replace(b"Host: 127.0.0.1", b"Host: evil.example"),
    "no host": handshake(headers=UPGRADE + KEY).replace(b"Host: 127.0.0.1\r\n", b""),
    "an address that is too long": handshake(b"/ws/gpu?hz=" + b"1" * 15_000),
    "an address of broken characters": handshake(b"/ws/gpu?hz=%ff%00%c3"),
    "a cookie that is none": handshake(headers=UPGRADE + KEY + b"Cookie: gpumon_session=\xff; =;;\r\n"),
    "a token that is none": handshake(headers=UPGRADE + KEY + b"Authorization: Bearer \xff\x80\r\n"),
}
HARMLESS = {
    "HTTP/1.0",
    "no connection header",
    "extensions that are none",
    "a window of the compression that is none",
    "protocols that are none",
    "a hundred protocols",
    "a body",
    "a cookie that is none",
    "a token that is none",
    "two keys",
    "no version",
}
"""The server can accept or refuse these handshakes: the client gains nothing by them."""


@pytest.mark.parametrize("name", HANDSHAKES)
def test_odd_handshake_is_refused_or_harmless(server: Server, name: str) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=2)) as client:
        client.sendall(HANDSHAKES[name])
        try:
            head = client.recv(12)
        except (ConnectionError, TimeoutError):
            head = b""  # uvicorn waits for the rest of a request that can never be valid; a proxy in front limits that time
    assert head == b"" or head.startswith(b"HTTP/1.1 4") or (head == b"HTTP/1.1 101" and name in HARMLESS), head
    assert is_well(server)


def test_refusal_that_names_a_long_field_fits_a_close_frame(server: Server) -> None:
    """Found by fuzzing: 120 characters of another alphabet are more than the 123 bytes that RFC 6455 allows, and uvicorn logged a
    traceback.
    """
    with connect(f"{server.ws}/ws/gpu") as client:
        client.send(json.dumps({"ü" * 200: 1}, ensure_ascii=False))
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
            for _ in range(100):
                client.recv(timeout=40)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4007
    assert closed.value.rcvd.reason.startswith('a message must be like {"hz": 1}: Object contains unknown field `üü')
    assert is_well(server)


def test_client_that_closes_its_half_is_released(server: Server) -> None:
    with closing(opened(server)) as client:
        client.shutdown(socket.SHUT_WR)
        assert is_well(server)


def test_client_that_never_reads_takes_no_memory(server: Server) -> None:
    with closing(opened(server)) as deaf, connect(f"{server.ws}/ws/gpu") as client:
        assert deaf.fileno() > 0
        for _ in range(25):
            client.recv(timeout=40)
        before = rss(server)
        for _ in range(25):
            client.recv(timeout=40)
        assert rss(server) - before < 4 << 20


def test_client_that_reads_late_and_pings_gets_whole_messages(server: Server) -> None:
    """Messages are written past the server's own send, and answers to pings by it: they must not mix."""
    client = ClientProtocol(parse_uri(f"{server.ws}/ws/gpu"), max_size=None)
    seqs, pongs, late_at = [], 0, [5, 25]
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.settimeout(10)
        client.send_request(client.connect())
        while len(seqs) < 60:
            if late_at and len(seqs) == late_at[0]:
                late_at.pop(0)
                time.sleep(3)  # the server's buffers fill
            for data in client.data_to_send():
                connection.sendall(data)
            client.receive_data(connection.recv(1 << 16))
            for event in client.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    seqs.append(json.loads(event.data)["seq"])
                    client.send_ping(b"still there?")
                pongs += isinstance(event, Frame) and event.opcode is Opcode.PONG
    assert seqs == sorted(set(seqs))
    assert pongs
    assert is_well(server)


def test_hundreds_of_sockets_are_served_and_released(server: Server) -> None:
    with ExitStack() as held:
        for _ in range(200):
            held.enter_context(closing(opened(server)))
        assert server.health()["clients"]["gpu"] == 200
        with connect(f"{server.ws}/ws/gpu") as client:
            assert client.recv(timeout=40)
    assert is_well(server)
