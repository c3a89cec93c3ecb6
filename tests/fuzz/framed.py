"""Streams of MessagePack messages, each after its length in four bytes: as in the sampler's pipe, and for a whole session."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.fuzz.mutations import Mutation, of_values

_LENGTH_BYTES = 4


def frames_in(data: bytes) -> list[bytes]:
    """The bytes of each message. The last one can be cut."""
    found, at = [], 0
    while at + _LENGTH_BYTES <= len(data):
        end = at + _LENGTH_BYTES + int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        found.append(data[at + _LENGTH_BYTES : end])
        at = end
    return found


def stream_of(frames: list[bytes]) -> bytes:
    """The stream of these messages."""
    return b"".join(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame for frame in frames)


def of_framed_values() -> Mutation:
    """The mutation of the values in the messages of a stream."""

    def load(data: bytes) -> Any:
        return [msgspec.msgpack.decode(frame) for frame in frames_in(data)]

    def dump(messages: Any) -> bytes:
        return stream_of([msgspec.msgpack.encode(message) for message in messages])

    return of_values(load, dump)
