"""The Channels consumer of `/ws/agent`: admits one agent, then receives its snapshots. See live/consumers.py about Channels."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

import msgspec
from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from monitor.access.rate_limits.rate_limiter import Rate, client_of
from monitor.config.hosts import is_loopback
from monitor.fleet import bounds, protocol
from monitor.fleet.hosts import Fleet
from monitor.fleet.message_limit import accept_messages_of
from monitor.fleet.protocol import Hello, Ping, Pong, ProtocolError, Refused, SnapshotMessage, Welcome
from monitor.fleet.registry import Admitted, refused
from monitor.fleet.work_budget import WorkBudget
from monitor.http.asgi_types import Message, Receive, Scope, Send
from monitor.http.log_once import LogOnce
from monitor.sanitize import plain, with_plain_texts
from monitor.version import __version__

HELLO_SECONDS = 10.0
"""How long an agent may take to send Hello, and the database to check it."""
CLOSE_SECONDS = 5.0
PING_SECONDS = 10.0
TRY_LATER_CODE = 1013
"""Close code: there was no Hello in time, or no answer of the database."""
REFUSED_CODE = 4003
"""Close code: a Refused has been sent."""
WRONG_PER_MINUTE, WRONG_AT_ONCE = 30, 60
"""Handshakes of one address that are not admitted. Many agents can share an address: those that are admitted do not count."""
MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 40, 400
"""Of one agent: ten readings a second and the repetition of earlier ones."""
_BEARER = b"bearer "
_refusals = LogOnce(logging.getLogger(__name__))


class Door(NamedTuple):
    """What the agents' sockets of one server share."""

    fleet: Callable[[], Fleet]
    admit: Callable[[Hello, str | None, Collection[str]], Awaitable[Admitted | Refused]]
    """Checks key and code in the database, given the host ids of connected agents."""
    interval_seconds: float | None
    """How often readings are wanted at most; None: as each agent's settings say."""
    wrong: Rate
    """Handshakes that are not admitted, by client."""
    work: WorkBudget


def wrong_handshakes() -> Rate:
    """The limit of one server."""
    return Rate(per_minute=WRONG_PER_MINUTE, at_once=WRONG_AT_ONCE)


class AgentConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """Receives the snapshots of one host. Cookies and origins mean nothing here: only the agent's key or code counts."""

    channel_layer_alias = "agents use no channel layer"

    def __init__(self, *, door: Door) -> None:
        super().__init__()
        self._door = door
        self._fleet: Fleet | None = None
        self._host: Admitted | None = None
        self._has_ended = False
        self._received = 0
        self._pings: asyncio.Task[None] | None = None
        self._ping_number = 0
        self._pinged_at = 0.0
        self._messages = Rate(per_minute=60 * MESSAGES_PER_SECOND, at_once=MESSAGES_AT_ONCE)

    # ── Called by Channels ────────────────────────────────────────────────────────────────────────────────────────────

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the socket, and leave nothing of it behind, however that ends."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HELLO_SECONDS) as self._lifetime:
                await super().__call__(scope, receive, send)
        except TimeoutError:
            if not self._lifetime.expired():
                raise
            if not self._has_ended:  # a server leaves the socket open when the application ends
                await send({"type": "websocket.close", "code": TRY_LATER_CODE})
        finally:
            if self._pings is not None:
                self._pings.cancel()
            if self._fleet is not None and self._host is not None:
                self._fleet.disconnect(self._host.host_id, self)

    async def dispatch(self, message: Message) -> None:
        """Call the handler, without Channels' visit to the thread of database connections."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_disconnect(self, message: Message) -> None:
        """End, also without that thread."""
        raise StopConsumer

    async def connect(self) -> None:
        """Accept the handshake. A refusal would tell the agent only a status, and daphne answers 403 to all."""
        await self.accept()
        address = str(self.scope["client"][0]) if self.scope.get("client") else ""
        self._client = client_of(address)
        wait = 0 if is_loopback(address) else self._door.wrong.take(self._client)
        if wait:
            text = f"Too many agents from {self._client} were not admitted; the hub asks to wait {wait} s."
            await self._refuse(Refused(code="too_many", text=text))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message from the agent."""
        if self._has_ended:
            return
        if bytes_data is None:
            await self._refuse(_invalid("text messages are not part of the protocol"))
        elif self._host is None:
            await self._admit(bytes_data)
        elif self._messages.take(""):
            await self._refuse(
                Refused(code="too_many", text="The agent sends too many messages; the hub closes the connection.")
            )
        elif self._door.work.is_spent(self._host.host_id):
            await self._refuse(
                Refused(code="too_many", text="The agent's messages take the hub too long; it closes the connection.")
            )
        else:
            await self._take(bytes_data)

    # ── Admission ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _admit(self, data: bytes) -> None:
        admitted = await self._identified(data)
        if isinstance(admitted, Admitted):
            self._door.wrong.give_back(self._client)
            self._host, self._fleet = admitted, self._door.fleet()
            admitted = self._fleet.connect(admitted, self) or admitted
        if isinstance(admitted, Refused):
            _refusals.warning("an agent at %s was refused: %s", self._client, admitted.text)
            await self._refuse(admitted)
            return
        self._lifetime.reschedule(None)
        accept_messages_of(self.base_send, protocol.MAX_MESSAGE_BYTES)
        welcome = Welcome(
            host_name=admitted.name,
            key=admitted.key,
            interval_seconds=self._door.interval_seconds,
            hub_time=time.time(),
        )
        await self.send(bytes_data=protocol.encode(welcome))
        self._pings = asyncio.ensure_future(self._ping())

    async def _identified(self, data: bytes) -> Admitted | Refused:
        if len(data) > protocol.MAX_HELLO_BYTES:
            return _invalid(f"the first message may have {protocol.MAX_HELLO_BYTES} bytes")
        try:
            greeting = protocol.decode_greeting(data)
            if greeting.protocol != protocol.PROTOCOL:
                return other_protocol(greeting)
            hello = protocol.decode_from_agent(data)
        except ProtocolError as error:
            return _invalid(str(error))
        if not isinstance(hello, Hello):
            return _invalid("the first message must be a hello")
        self.hello = hello
        fleet = self._door.fleet()
        if hello.host_id == fleet.own_host_id:
            return refused("is_hub")
        return await self._door.admit(hello, _key_of(self.scope), fleet.connected)

    # ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _take(self, data: bytes) -> None:
        assert self._host is not None
        assert self._fleet is not None
        message: protocol.AgentMessage | None = None
        problem = ""
        began = time.thread_time()
        try:
            message = protocol.decode_from_agent(data)
            if isinstance(message, SnapshotMessage):
                self._take_snapshot(message)
        except ProtocolError as error:
            problem = str(error)
        self._door.work.add(self._host.host_id, time.thread_time() - began)
        if problem:
            differ = f" The agent is version {plain(self.hello.version)}, the hub {__version__}: update the older one."
            await self._refuse(_invalid(f"{problem}.{'' if self.hello.version == __version__ else differ}"))
        elif isinstance(message, Pong) and message.number == self._ping_number:
            round_trip = self._loop.time() - self._pinged_at
            self._fleet.took_pong(
                self._host.host_id, agent_time=message.time, hub_time=time.time(), round_trip_seconds=round_trip
            )

    def _take_snapshot(self, message: SnapshotMessage) -> None:
        """The agent speaks for its own host only, under the name that the hub has for it. Alerts are the hub's matter."""
        assert self._fleet is not None
        assert self._host is not None
        bounds.check(message.snapshot)
        snapshot = msgspec.structs.replace(
            with_plain_texts(bounds.plausible(message.snapshot)),
            host=self._host.name,
            host_id=self._host.host_id,
            alerts=(),
        )
        self._fleet.take(self._host.host_id, snapshot, is_late=message.is_late)
        self._received += 1

    async def _ping(self) -> None:
        """Ask for the agent's clock, and say how much has arrived, until the socket is closed."""
        while True:
            self._ping_number += 1
            self._pinged_at = self._loop.time()
            await self.send(bytes_data=protocol.encode(Ping(number=self._ping_number, received=self._received)))
            await asyncio.sleep(PING_SECONDS)

    # ── The end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def end(self, refusal: Refused) -> None:
        """Send the refusal and close the socket. From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._refuse(refusal)))

    async def _refuse(self, refusal: Refused) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._lifetime.reschedule(self._loop.time() + CLOSE_SECONDS)
        await self.send(bytes_data=protocol.encode(refusal))
        await self.close(REFUSED_CODE)


def other_protocol(greeting: protocol.Greeting) -> Refused:
    """The refusal of an agent with another protocol: which side has to be updated."""
    is_newer = greeting.protocol > protocol.PROTOCOL
    older = "the hub" if is_newer else "the agent"
    return Refused(
        code="agent_is_newer" if is_newer else "agent_is_older",
        text=f"The agent is gpumon {plain(greeting.version)} and the hub gpumon {__version__}, which cannot work together: update "
        f"{older}.",
    )


def _invalid(reason: str) -> Refused:
    return Refused(code="invalid", text=f"The hub cannot read a message of the agent: {plain(reason)[:500]}")


def _key_of(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
            return str(value[len(_BEARER) :].strip().decode("latin-1"))[:200]
    return None
