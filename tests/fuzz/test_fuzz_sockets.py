"""Handshakes and messages of the viewers' sockets, damaged: refused, or answered by messages and close frames that are valid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from monitor.http.hosts import HOST
from monitor.http.origins import Origins
from monitor.live.consumers import DashboardConsumer, GpuFeedConsumer
from monitor.live.hub import Hub
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import Snapshot
from monitor.web.pages.registry import live_page_named
from tests.fuzz.campaign import Extent, Target, campaign, files
from tests.fuzz.mutations import OF_TEXT
from tests.fuzz.site import MIB, change_pairs
from tests.support import virtual_time
from tests.support.admission import AdmitEverybody
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host, process
from tests.web.hosts.joined import join

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("static_root")]
LONGEST_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame has 125 bytes, and two are the code."""
HOSTS = (None, "hub", "a/b")
BINARY = b"binary:"
"""Begins the lines of a session that are sent as binary messages."""


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with current_runtime() as runtime:
        join(runtime, "a/b", None)
        yield runtime


class Session:
    """A client that connects, sends its messages one after the other, and leaves. Asserts that each answer is valid."""

    def __init__(self) -> None:
        self.hub = Hub(max_rate_hz=30)
        self.admission = AdmitEverybody()
        self.events: list[str] = []

    def _consumer(self, path: str) -> Any:
        shared = {
            "hub": lambda host: self.hub if host in HOSTS else None,
            "origins": Origins([]),
            "admission": self.admission,
        }
        if path != "/ws/dashboard":
            return GpuFeedConsumer.as_asgi(**shared)
        return DashboardConsumer.as_asgi(**shared, page_named=live_page_named, hub_of_fleet=lambda: self.hub)

    async def hold(self, path: str, query: bytes, messages: list[bytes]) -> None:
        incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        headers = [(b"host", b"a"), (b"origin", b"http://a")]
        scope = {"type": "websocket", "headers": headers, HOST: "a", "query_string": query}
        serving = asyncio.ensure_future(self._consumer(path)(scope, incoming.get, partial(self._send, incoming)))
        incoming.put_nowait({"type": "websocket.connect"})
        for message in [b"", *messages]:
            if message.startswith(BINARY):
                incoming.put_nowait({"type": "websocket.receive", "bytes": message.removeprefix(BINARY)})
            elif message:
                text = message.decode("utf-8", "replace")  # servers refuse other text themselves
                incoming.put_nowait({"type": "websocket.receive", "text": text})
            self.hub.take(_snapshot(asyncio.get_running_loop().time()))
            await asyncio.sleep(0.2)
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await serving
        assert self.admission.open == []
        assert not any(self.hub.clients.values())

    async def _send(self, incoming: asyncio.Queue[dict[str, Any]], message: dict[str, Any]) -> None:
        event = message["type"].removeprefix("websocket.")
        assert "close" not in self.events, "a message after the close"
        self.events.append(event)
        if event == "send":
            assert isinstance(msgspec.json.decode(message["text"]), dict)
        if event == "close":
            code = message.get("code", 1000)
            assert code in (1000, 1001) or 3000 <= code <= 4999, code
            assert len(str(message.get("reason") or "").encode()) <= LONGEST_REASON_BYTES
            incoming.put_nowait({"type": "websocket.disconnect", "code": code})


def _snapshot(now: float) -> Snapshot:
    gpus = (gpu(0, uuid="GPU-1", processes=(process(1),)), gpu(1))
    return host(*gpus, seq=1 + int(now * 10), time=1.8e9 + now, sampled_at=1.8e9 + now)


def read_session(data: bytes) -> None:
    address, *messages = data.split(b"\n")
    path, _, query = address.partition(b"?")
    virtual_time.run(Session().hold(path.decode("latin-1"), query, messages))


def test_fuzz_sockets(runtime: Runtime, extent: Extent) -> None:
    campaign(
        Target(
            "sockets",
            read_session,
            (*OF_TEXT, change_pairs, change_pairs),
            mutation_count=400,
            most_calls=lambda data: 500_000 + 20_000 * data.count(b"\n"),
            most_bytes=lambda data: 16 * MIB,
        ),
        files("sockets"),
        extent,
    )
