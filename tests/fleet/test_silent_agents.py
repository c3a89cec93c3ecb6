"""Agents that connect and are not admitted in time: their sockets are closed, for a server keeps them when the application ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from monitor.fleet import protocol
from monitor.fleet.bus.in_process import InProcessBus
from monitor.fleet.consumers import AgentConsumer, Door, wrong_handshakes
from monitor.fleet.hosts import Fleet
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, refused
from monitor.fleet.work_budget import WorkBudget
from monitor.live.hub import Hub
from tests.support import virtual_time

HELLO = protocol.encode(Hello(protocol=1, version="0.1.0", host_id="ab" * 16, host="node1", sent_at=1.0))
Admit = Callable[[Hello, str | None, Collection[str]], Awaitable[Admitted | Refused]]


def sent_to(*messages: bytes, admit: Admit) -> list[dict[str, Any]]:
    """What the hub sends to an agent that sends these messages and never leaves."""
    fleet = Fleet(None, make_hub=lambda on_watched: Hub(max_rate_hz=5, on_watched=on_watched), bus=InProcessBus())
    door = Door(lambda: fleet, admit, None, wrong_handshakes(), WorkBudget())
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def hold() -> None:
        incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        incoming.put_nowait({"type": "websocket.connect"})
        for message in messages:
            incoming.put_nowait({"type": "websocket.receive", "bytes": message})
        scope = {"type": "websocket", "headers": [], "client": ("192.0.2.1", 1)}
        await AgentConsumer.as_asgi(door=door)(scope, incoming.get, send)

    virtual_time.run(hold())
    return sent


async def never(*_given: object) -> Admitted | Refused:
    await asyncio.sleep(3600)
    raise AssertionError("the handshake has no limit")


async def refuse(*_given: object) -> Admitted | Refused:
    return refused("unknown_key")


def test_agent_that_says_no_hello_or_waits_too_long_for_the_database_is_disconnected() -> None:
    for messages in ((), (HELLO,)):
        accepted, closed = sent_to(*messages, admit=never)
        assert (accepted["type"], closed["type"], closed["code"]) == ("websocket.accept", "websocket.close", 1013)


def test_refused_agent_that_does_not_leave_is_closed_once() -> None:
    kinds = [message["type"] for message in sent_to(HELLO, admit=refuse)]
    assert kinds == ["websocket.accept", "websocket.send", "websocket.close"]
