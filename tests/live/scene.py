"""A consumer in virtual time, with a server and a client that need no network."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import msgspec

from monitor.http.hosts import HOST
from monitor.http.origins import Origins
from monitor.live.consumers import GpuFeedConsumer
from monitor.live.hub import Hub
from monitor.telemetry.schema import Snapshot
from tests.support.admission import AdmitEverybody


class Received(msgspec.Struct, frozen=True):
    """A snapshot, as a client receives it."""

    seq: int
    sampled_at: float
    at: float

    @property
    def age(self) -> float:
        return self.at - self.sampled_at


class Feed:
    """A client of the feed, on a server whose `send` waits until the client reads, as uvicorn's does."""

    def __init__(self, hub: Hub, *, query: str = "", admission: AdmitEverybody | None = None) -> None:
        self.reads, self.answers_close = asyncio.Event(), True
        self.reads.set()
        self.events: list[str] = []
        self.snapshots: list[Received] = []
        self.close_code, self.close_reason = 0, ""
        self._incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.admission = admission or AdmitEverybody()
        consumer = GpuFeedConsumer.as_asgi(hub=lambda _host: hub, origins=Origins([]), admission=self.admission)
        scope = {"type": "websocket", "headers": [(b"host", b"a")], HOST: "a", "query_string": query.encode()}
        self.serving = asyncio.ensure_future(consumer(scope, self._incoming.get, self._send))

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await self.reads.wait()
        event = message["type"].removeprefix("websocket.")
        self.events.append(event)
        if event == "send":
            snapshot = msgspec.json.decode(message["text"], type=Snapshot)
            assert snapshot.sampled_at is not None
            self.snapshots.append(Received(snapshot.seq, snapshot.sampled_at, asyncio.get_running_loop().time()))
        if event == "close":
            self.close_code, self.close_reason = message.get("code", 1000), message.get("reason", "")
            if self.answers_close:
                self.disconnect()

    def say(self, text: str) -> None:
        """Send a message to the server."""
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def disconnect(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})


class Readings:
    """Publishes a snapshot at each time of a list, from 1."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seq = 0

    def publish(self) -> None:
        """A reading that has just been taken."""
        self._seq += 1
        now = asyncio.get_running_loop().time()
        self._hub.take(Snapshot(host="h", seq=self._seq, time=now, sampled_at=now))

    async def publish_at(self, *times: float) -> None:
        """A reading at each of these times."""
        for at in times:
            await until(at)
            self.publish()


async def until(at: float) -> None:
    """Wait until the loop's clock shows this time."""
    await asyncio.sleep(at - asyncio.get_running_loop().time())
