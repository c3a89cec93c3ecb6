"""gpumon's connections for uvicorn, over real sockets: requests that arrive too slowly are dropped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from monitor.server.uvicorn import HttpConnection

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
async def opened(
    kind: type[HttpConnection] = Hasty,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client's end of a connection."""
    config, state = uvicorn.Config(app, log_config=None, timeout_keep_alive=60), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Hasty(config, state, {}, loop), "127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()
        await asyncio.gather(*state.tasks)
    finally:
        server.close()


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


def test_connection_that_keeps_time_is_served_again_and_again() -> None:
    async def scene() -> list[bytes]:
        bodies = []
        async with opened() as (reader, writer):
            for size in (0, 1000, 0, 5):
                method = b"POST" if size else b"GET"
                writer.write(method + b" / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
                await asyncio.sleep(0.15)
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
