"""Many agents in one process, for tests, measurements and `make fleet-demo`: each is a socket that sends what it is given."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from monitor.fleet import protocol
from monitor.fleet.protocol import EncodedSnapshotMessage, Hello, Ping, Pong
from monitor.telemetry.schema import Snapshot
from tests.support.servers import Server


class SimulatedAgent(NamedTuple):
    """A host whose agent has joined."""

    name: str
    read: Callable[[float], Snapshot | None] | None
    """The snapshot at this time; None if the agent has ended. Without it, the agent never connects."""
    tags: Sequence[str] = ()
    version: str = "0.1.0"
    clock_offset_seconds: float = 0.0
    last_seen_at: datetime | None = None

    @property
    def host_id(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]

    @property
    def key(self) -> str:
        return f"gpumonhost_{self.host_id}"


def join(server: Server, agents: Sequence[SimulatedAgent]) -> None:
    """Write the hosts into the database of the server, as if each had joined with a code."""
    for agent in agents:
        server.sql(
            "INSERT INTO monitor_fleethost (host_id, name, tags, state, machine, key_prefix, key_digest, joined_at, last_seen_at, "
            "agent_version, driver_version, problem) VALUES (?, ?, ?, 'active', '', '', ?, datetime('now'), ?, ?, '', '')",
            agent.host_id,
            agent.name,
            msgspec.json.encode(list(agent.tags)).decode(),
            hashlib.sha256(agent.key.encode()).hexdigest(),
            agent.last_seen_at.isoformat(" ") if agent.last_seen_at else None,
            agent.version,
        )


@contextlib.contextmanager
def running(url: str, agents: Sequence[SimulatedAgent], *, hz: float = 1.0) -> Iterator[None]:
    """Send the snapshots of all agents to the hub at this WebSocket URL, in a thread, until the block ends."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = Future()

    async def send_until_cancelled() -> None:
        sending = asyncio.ensure_future(_send_all(url, agents, hz))
        started.set_result((asyncio.get_running_loop(), sending))
        with contextlib.suppress(asyncio.CancelledError):
            await sending

    thread = threading.Thread(target=lambda: asyncio.run(send_until_cancelled()), daemon=True)
    thread.start()
    loop, sending = started.result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(sending.cancel)
        thread.join()


async def _send_all(url: str, agents: Sequence[SimulatedAgent], hz: float) -> None:
    connected = [each for each in agents if each.read is not None]
    async with asyncio.TaskGroup() as group:  # which waits until every socket is closed
        for place, agent in enumerate(connected):
            group.create_task(_keep_sending(url, agent, hz, place / len(connected)))


async def _keep_sending(url: str, agent: SimulatedAgent, hz: float, phase: float) -> None:
    """The hosts of a fleet send at different times of each second."""
    while agent.read is not None and agent.read(time.time()) is not None:
        with contextlib.suppress(OSError, WebSocketException):
            headers = {"Authorization": f"Bearer {agent.key}"}
            address = url + protocol.PATH
            async with connect(
                address, additional_headers=headers, compression=None, ping_interval=None, close_timeout=1
            ) as socket:
                await _send(socket, agent, hz, phase)
        await asyncio.sleep(1.0)


async def _send(socket: ClientConnection, agent: SimulatedAgent, hz: float, phase: float) -> None:
    hello = Hello(
        protocol=protocol.PROTOCOL,
        version=agent.version,
        host_id=agent.host_id,
        host=agent.name,
        boot=agent.host_id,
        sent_at=time.time(),
    )
    await socket.send(protocol.encode(hello))
    hearing = asyncio.ensure_future(_answer(socket, agent))
    try:
        await asyncio.sleep(phase / hz)
        while not hearing.done():
            assert agent.read is not None
            if (snapshot := agent.read(time.time())) is None:
                return
            encoded = msgspec.Raw(msgspec.msgpack.encode(snapshot))
            await socket.send(protocol.encode(EncodedSnapshotMessage(snapshot=encoded)))
            await asyncio.sleep(1 / hz)
    finally:
        hearing.cancel()


async def _answer(socket: ClientConnection, agent: SimulatedAgent) -> None:
    async for data in socket:
        message = protocol.decode_from_hub(bytes(data)) if isinstance(data, bytes) else None
        if isinstance(message, Ping):
            now = time.time() + agent.clock_offset_seconds
            await socket.send(protocol.encode(Pong(number=message.number, time=now)))
