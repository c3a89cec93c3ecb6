"""What an agent sends, damaged: it is refused with a reason that the agent can read, or shown, judged and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from django.db import transaction

from monitor.access.rate_limits.rate_limiter import Rate
from monitor.fleet import protocol
from monitor.fleet.bus.in_process import InProcessBus
from monitor.fleet.consumers import AgentConsumer, Door
from monitor.fleet.hosts import Fleet
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, Row
from monitor.fleet.work_budget import WorkBudget
from monitor.live.hub import Hub
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import Snapshot
from tests.fuzz.campaign import Extent, Target, campaign, files
from tests.fuzz.framed import frames_in, of_framed_values
from tests.fuzz.mutations import OF_BYTES
from tests.support import virtual_time
from tests.support.every_output import show_everywhere
from tests.support.runtimes import default_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("static_root"),
]
HOST_ID = "ab" * 16
MIB = 1 << 20


class Session:
    """A connection of an admitted agent, from its first message to its last."""

    def __init__(self) -> None:
        self.published: list[Snapshot] = []
        self.answers: list[object] = []
        self.close_code: int | None = None
        bus = InProcessBus(lambda snapshot, *, is_late: self.published.append(snapshot))
        self.fleet = Fleet("cd" * 16, make_hub=lambda on_watched: Hub(max_rate_hz=5, on_watched=on_watched), bus=bus)

    async def hold(self, messages: list[bytes]) -> None:
        """Everything is sent at once. The last answers come before the end."""
        rate = Rate(per_minute=1e6, at_once=10**6)
        door = Door(lambda: self.fleet, self._admit, None, rate, WorkBudget())
        incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        incoming.put_nowait({"type": "websocket.connect"})
        for message in messages:
            incoming.put_nowait({"type": "websocket.receive", "bytes": message})
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        scope = {"type": "websocket", "headers": [], "client": ("192.0.2.1", 1)}
        await AgentConsumer.as_asgi(door=door)(scope, incoming.get, self._send)

    async def _admit(self, hello: Hello, _key: str | None, _connected: Collection[str]) -> Admitted | Refused:
        return Admitted(HOST_ID, "gpu01", (), None)

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            self.answers.append(protocol.decode_from_hub(message["bytes"]))
        elif message["type"] == "websocket.close":
            self.close_code = message["code"]


def read_agent(data: bytes) -> None:
    session = Session()
    virtual_time.run(session.hold(frames_in(data)))
    refusals = [each for each in session.answers if isinstance(each, Refused)]
    assert len(refusals) == (session.close_code is not None)
    assert all(each.text for each in refusals)
    for snapshot in session.published[:2]:
        assert (snapshot.host, snapshot.host_id) == ("gpu01", HOST_ID)
        show_everywhere(snapshot, most_gpu_pages=2)
    with transaction.atomic(), transaction.atomic(using="history"):
        judge_and_record(session.published)
        transaction.set_rollback(True)
        transaction.set_rollback(True, using="history")


def judge_and_record(snapshots: list[Snapshot]) -> None:
    """As the threads of the stages do."""
    now = max((each.time for each in snapshots), default=0.0)
    runtime = Runtime(default_config(), clock=lambda: now, monotonic=lambda: now)
    runtime.fleet.set_rows([Row(HOST_ID, "gpu01", (), "active", None, "", "", None, "")])
    engine = runtime.alerts.engine
    for snapshot in snapshots:
        runtime.history.take_of_fleet(snapshot, is_late=False)
        runtime.usage.take_of_fleet(snapshot, is_late=False)
        engine.offer_of_fleet(snapshot)
    engine.work()
    runtime.history.work()
    runtime.usage.write_now()
    assert (engine.problem, runtime.history.problem, runtime.usage.problem) == (None, None, None)


def test_fuzz_agent(extent: Extent) -> None:
    values = of_framed_values()
    campaign(
        Target(
            "agent",
            read_agent,
            (*OF_BYTES, *[values] * 10),
            mutation_count=60,
            most_calls=lambda data: 2_000_000 + 100 * len(data),
            most_bytes=lambda data: 32 * MIB + 200 * len(data),
        ),
        files("agent"),
        extent,
    )
