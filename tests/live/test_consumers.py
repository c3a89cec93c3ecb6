"""How a socket ends, with a server whose `send` waits for the client, as uvicorn's does."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from monitor.live import consumers
from monitor.live.admission import ENDED, Guest
from monitor.live.consumers import Pace, serve
from monitor.live.hub import Hub
from monitor.telemetry.schema import Snapshot


class Client:
    """Reads when it likes. What it was sent, by kind."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.got: list[str] = []
        self.reason = ""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.reads.wait()
        self.got.append(message["type"].removeprefix("websocket."))
        if message["type"] == "websocket.close":
            assert message["code"] == ENDED
            self.reason = message["reason"]

    async def receive(self) -> MutableMapping[str, Any]:
        await asyncio.Event().wait()  # it says nothing
        raise AssertionError


class Scene:
    """A feed with one client."""

    def __init__(self) -> None:
        self.hub, self.client, self.guest = Hub(max_rate_hz=1000), Client(), Guest()
        self._seq = 0
        self.serving = asyncio.ensure_future(
            serve(
                self.hub, "gpu", self.client.receive, self.client.send,
                payload=lambda frame, _seen: frame.feed(), hear=lambda _text, _pace: None, pace=Pace(), guest=self.guest,
            )
        )  # fmt: skip

    async def tick(self) -> None:
        """A reading, and time for whoever can take it."""
        self._seq += 1
        self.hub.take(Snapshot(host="h", seq=self._seq, time=float(self._seq), sampled_at=float(self._seq)))
        for _ in range(20):
            await asyncio.sleep(0.001)


def test_whoever_has_to_go_is_told_nothing_more_once_they_read_again() -> None:
    """A frame or two used to come after the reason, made when the session was over."""

    async def scene() -> tuple[list[str], str]:
        feed = Scene()
        await feed.tick()
        assert feed.client.got == ["accept", "send"]
        feed.client.reads.clear()
        await feed.tick()
        feed.guest.end("logged out")
        await feed.tick()
        feed.client.reads.set()
        await asyncio.wait_for(feed.serving, 10)
        return feed.client.got[2:], feed.client.reason

    assert asyncio.run(scene()) == (["close"], "logged out")


def test_whoever_has_to_go_and_never_reads_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a socket was counted, and its session asked after, for as long as the client kept it open."""
    monkeypatch.setattr(consumers, "CLOSE_SECONDS", 0.01)

    async def scene() -> int:
        feed = Scene()
        await feed.tick()
        feed.client.reads.clear()
        await feed.tick()
        feed.guest.end("logged out")
        await asyncio.wait_for(feed.serving, 10)
        return feed.hub.clients["gpu"]

    assert asyncio.run(scene()) == 0
