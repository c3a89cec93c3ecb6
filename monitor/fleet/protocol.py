"""Messages between an agent and its hub: MessagePack in binary WebSocket messages, not compressed.

The agent opens `PATH`, with its key in the header `Authorization` if it has one, and sends Hello. The hub answers Welcome or
Refused. Then the agent sends a SnapshotMessage for each reading, and a Pong for each Ping. Unknown fields are ignored and messages
of an unknown type are skipped, so versions that differ a little understand each other. A change that the other side would not
understand gets another PROTOCOL.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec

from monitor.telemetry.schema import Snapshot
from monitor.telemetry.schema.units import UnixSeconds
from monitor.unreadable import UNREADABLE

PROTOCOL = 1
PATH = "/ws/agent"
MAX_HELLO_BYTES = 16 * 1024
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""About 900 GPUs with processes, or 8 with 30,000 processes."""

HostId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$", max_length=32)]
Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$", max_length=32)]
ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]

RefusalCode = Literal[
    "invalid", "agent_is_newer", "agent_is_older", "no_code", "wrong_code", "used_code", "expired_code", "unknown_key",
    "other_host", "revoked", "retired", "same_machine", "copied", "is_hub", "too_many", "database",
]  # fmt: skip


class Greeting(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The part of Hello that never changes: enough to say which side has to be updated."""

    protocol: int
    version: ShortText
    """Of gpumon."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The agent's first message."""

    protocol: int
    version: ShortText
    host_id: HostId
    host: ShortText
    """The host's name, which the hub shows until an administrator gives it another."""
    machine: Fingerprint | None = None
    """Hash of the operating system's machine id. Null if it has none."""
    boot: Fingerprint | None = None
    """Hash of the kernel's boot id. Of two copies of one virtual machine, each has its own."""
    sent_at: UnixSeconds
    code: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """The one-time code, while the agent has no key that the hub accepts."""


class SnapshotMessage(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """A snapshot, as the hub decodes it."""

    is_late: bool = False
    """It is from an earlier time at which the hub was not connected, and newer ones have been sent."""
    snapshot: Snapshot


class EncodedSnapshotMessage(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """The same, as the agent encodes it: each snapshot is encoded once, also if it is sent again."""

    is_late: bool = False
    snapshot: msgspec.Raw


class Pong(msgspec.Struct, frozen=True, kw_only=True, tag="pong"):
    """The answer to a Ping, at once."""

    number: int
    """Of the Ping."""
    time: UnixSeconds
    """By the agent's clock."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag="welcome"):
    """The hub accepts the agent."""

    host_name: str
    """How the hub calls the host."""
    key: str | None = None
    """A new key, which the agent keeps: sent once, in exchange for the code."""
    interval_seconds: float | None = None
    """How often the hub wants readings at most; null: as the agent's settings say."""
    hub_time: UnixSeconds


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The hub refuses the agent, or a message of it, and closes the socket."""

    code: str
    """A RefusalCode, or one of a later version."""
    text: str
    """A sentence for the agent's log: what is wrong and how to fix it."""


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag="ping"):
    """The hub asks for the agent's clock, every few seconds."""

    number: int
    """Increases by one with each Ping of a connection."""
    received: int
    """How many SnapshotMessages the hub has received on this connection."""


AgentMessage = Hello | SnapshotMessage | Pong
HubMessage = Welcome | Refused | Ping


class _AnyMessage(msgspec.Struct):
    """A message of any type, of which only the type is read."""

    type: str


class ProtocolError(Exception):
    """The bytes are not a message of this protocol."""


_encoder = msgspec.msgpack.Encoder()
_greetings = msgspec.msgpack.Decoder(Greeting)
_of_agents = msgspec.msgpack.Decoder(AgentMessage)
_of_hubs = msgspec.msgpack.Decoder(HubMessage)
_any = msgspec.msgpack.Decoder(_AnyMessage)
_AGENTS, _HUBS = {"hello", "snapshot", "pong"}, {"welcome", "refused", "ping"}
M = TypeVar("M")


def encode(message: Hello | EncodedSnapshotMessage | Pong | HubMessage) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def decode_greeting(data: bytes) -> Greeting:
    """Protocol and version of a Hello, also of one from another version. Raises ProtocolError."""
    return _decoded(data, _greetings)


def decode_from_agent(data: bytes) -> AgentMessage | None:
    """A message from an agent; None for a type that this version does not know. Raises ProtocolError."""
    return _known(data, _of_agents, _AGENTS)


def decode_from_hub(data: bytes) -> HubMessage | None:
    """A message from a hub; None for a type that this version does not know. Raises ProtocolError."""
    return _known(data, _of_hubs, _HUBS)


def _known(data: bytes, decoder: msgspec.msgpack.Decoder[M], types: set[str]) -> M | None:
    try:
        return _decoded(data, decoder)
    except ProtocolError:
        if _decoded(data, _any).type not in types:
            return None
        raise


def _decoded(data: bytes, decoder: msgspec.msgpack.Decoder[M]) -> M:
    try:
        return decoder.decode(data)
    except UNREADABLE as error:
        raise ProtocolError(str(error)) from error
