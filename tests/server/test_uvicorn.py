"""gpumon's connections for uvicorn, over real sockets: requests that arrive too slowly, and silent clients, are dropped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from monitor.server import waiting_connections
from monitor.server.uvicorn import HttpConnection
from monitor.server.waiting_connections import WaitingConnections

ANSWER = b"HTTP/1.1 200 OK"


class Hasty(HttpConnection):
    """Each part of a request must arrive within a third of a second."""

    request_seconds = body_seconds = 0.3


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; sends a message on a WebSocket, twice the time limit after it was opened."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.6)
        await send({"type": "websocket.send", "text": "still open"})
        return
    received, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        received, more = received + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"%4d" % received})


@contextlib.asynccontextmanager
async def served(kind: type[HttpConnection], waiting: WaitingConnections) -> AsyncIterator[tuple[str, int]]:
    """Where the server listens."""
    config, state = uvicorn.Config(app, log_config=None, timeout_keep_alive=60), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: kind(waiting, config=config, server_state=state, app_state={}, _loop=loop), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()
        await asyncio.gather(*state.tasks)
    finally:
        server.close()
        for each in tuple(state.connections):
            each.transport.abort()
        await asyncio.sleep(0)  # the transports of both ends close in the next turn of the loop


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client's end of a connection."""
    async with served(Hasty, WaitingConnections(1000)) as address:
        reader, writer = await asyncio.open_connection(*address)
        yield reader, writer
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nX-Half: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n",
    ],
)
def test_unfinished_request_is_dropped_although_bytes_arrive(sent: bytes) -> None:
    async def scene() -> bytes:
        async with opened() as (reader, writer):
            writer.write(sent)
            ended = asyncio.ensure_future(reader.read())
            while not ended.done():
                writer.write(b"G")
                await asyncio.sleep(0.02)
            with contextlib.suppress(ConnectionError):
                return await ended
            return b""

    assert asyncio.run(asyncio.wait_for(scene(), 20)) == b""


class Clock:
    """Of the running loop, set forward by the test alone: a busy machine makes nobody late."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self._now)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(0)  # the other end reads first
        self._now += seconds


def test_connection_that_keeps_time_is_served_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> list[bytes]:
        bodies = []
        clock = Clock(monkeypatch)
        async with opened() as (reader, writer):
            for size in (0, 1000, 0, 5):
                method = b"POST" if size else b"GET"
                writer.write(method + b" / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
                await clock.pass_time(0.15)
                writer.write(b"x" * size)
                bodies.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0] + await reader.readexactly(4))
        return bodies

    assert asyncio.run(asyncio.wait_for(scene(), 20)) == [ANSWER + b"%4d" % size for size in (0, 1000, 0, 5)]


def test_socket_has_no_time_limit() -> None:
    """Regression: to h11 a handshake is a request whose body has not ended."""

    async def scene() -> bytes:
        async with opened() as (reader, writer):
            writer.write(
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(12)

    assert asyncio.run(asyncio.wait_for(scene(), 20)) == b"\x81\nstill open"


def test_too_many_silent_connections_are_closed_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: under gunicorn a thousand of them used up all descriptors."""
    monkeypatch.setattr(waiting_connections, "MOST_PER_ADDRESS", 4)
    monkeypatch.setattr(waiting_connections, "PATIENCE_SECONDS", 0)

    async def scene() -> list[bytes]:
        async with served(HttpConnection, WaitingConnections(1000)) as address:
            clients = [await asyncio.open_connection(*address) for _ in range(4)]
            reader, writer = clients[0]
            answers = []
            for oldest in (1, 2):
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                answers.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0] + await reader.readexactly(4))
                clients.append(await asyncio.open_connection(*address))
                answers.append(await clients[oldest][0].read())
            for _, each in clients:
                each.close()
            return answers

    assert asyncio.run(asyncio.wait_for(scene(), 20)) == [ANSWER + b"   0", b"", ANSWER + b"   0", b""]


def test_connection_knows_whether_something_lies_there_unread() -> None:
    """Of too many connections, one that has sent something is kept."""

    async def scene() -> list[bool]:
        config = uvicorn.Config(app, log_config=None)
        config.load()
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            connection = HttpConnection(
                WaitingConnections(1000), config=config, server_state=ServerState(), app_state={}, _loop=loop
            )
            transport, _ = await loop.connect_accepted_socket(lambda: connection, ours)
            transport.pause_reading()
            found = [connection.has_unread()]
            theirs.sendall(b"G")
            found.append(connection.has_unread())
            connection.abort()
            return [*found, connection.has_unread()]

    assert asyncio.run(asyncio.wait_for(scene(), 20)) == [False, True, False]
