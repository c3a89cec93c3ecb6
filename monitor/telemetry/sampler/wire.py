"""Messages from the sampler to the supervisor: MessagePack, each after its length (4 bytes, big-endian)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from monitor.telemetry.schema import Notice, ProviderReport, Reading
from monitor.unreadable import UNREADABLE

_LENGTH_BYTES = 4
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Far above 256 GPUs with a thousand processes each: anything longer is not a message."""


class Selected(msgspec.Struct, frozen=True, kw_only=True, tag="selected"):
    """The first message: the provider in use, or None, and a report on each one tried."""

    provider: str | None
    is_simulated: bool = False
    reports: tuple[ProviderReport, ...] = ()
    notices: tuple[Notice, ...] = ()
    """Without a provider: what is wrong with this host."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The last message of a sampler whose provider failed."""

    reason: str
    fix: str | None = None


class Skipped(msgspec.Struct, frozen=True, kw_only=True, tag="skipped"):
    """In place of a reading that could not be made or sent because of an error in gpumon. The sampler continues."""

    reason: str


class StartOver(msgspec.Struct, frozen=True, kw_only=True, tag="start_over"):
    """The last message of a sampler that exits so that GPUs can sleep, or because one has woken or was added."""

    unattached: tuple[str, ...]
    """PCI bus ids of the GPUs that the next sampler must not open until they have slept and woken."""


Message = Selected | Reading | Failed | Skipped | StartOver

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class WireError(Exception):
    """The bytes from the pipe are not a message."""


def encode(message: Message) -> bytes:
    """A message after its length."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def verify(message: bytes) -> None:
    """Raise msgspec.ValidationError if the supervisor would refuse this encoded message."""
    _decoder.decode(message[_LENGTH_BYTES:])


class MessageReader:
    """Splits a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes. Raises WireError if the bytes are not a message."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if length > MAX_MESSAGE_BYTES:
                raise WireError(f"a message of {length} bytes")
            if len(self._buffer) < _LENGTH_BYTES + length:
                return
            body = bytes(self._buffer[_LENGTH_BYTES : _LENGTH_BYTES + length])
            del self._buffer[: _LENGTH_BYTES + length]
            try:
                yield _decoder.decode(body)
            except UNREADABLE as error:
                raise WireError(str(error)) from error
