"""What agents and hubs of different versions understand of each other, and what hostile bytes do: nothing but a ProtocolError."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import hypothesis
import hypothesis.strategies as some
import msgspec
import pytest

from monitor.fleet import protocol
from monitor.fleet.consumers import other_protocol
from monitor.fleet.protocol import Hello, Ping, ProtocolError, SnapshotMessage, Welcome
from monitor.telemetry.schema import Snapshot

HELLO: dict[str, Any] = {
    "type": "hello",
    "protocol": 1,
    "version": "0.1.0",
    "host_id": "ab" * 16,
    "host": "gpu01",
    "sent_at": 1_800_000_000.0,
}
SNAPSHOT: dict[str, Any] = {
    "type": "snapshot",
    "snapshot": {"host": "gpu01", "seq": 1, "time": 1_800_000_000.0},
}
GPU = {"index": 0, "uuid": "GPU-0", "name": "H100"}


def packed(message: object) -> bytes:
    return msgspec.msgpack.encode(message)


def test_fields_of_a_later_version_are_ignored() -> None:
    snapshot = {**SNAPSHOT["snapshot"], "new": {"a": 1}}
    assert isinstance(protocol.decode_from_agent(packed({**HELLO, "new": [1, 2]})), Hello)
    assert protocol.decode_from_agent(packed({**SNAPSHOT, "snapshot": snapshot})) == SnapshotMessage(
        snapshot=Snapshot(host="gpu01", seq=1, time=1_800_000_000.0)
    )


def test_messages_of_a_later_version_are_skipped() -> None:
    assert protocol.decode_from_agent(packed({"type": "farewell"})) is None
    assert protocol.decode_from_hub(packed({"type": "update", "to": 2})) is None


def test_each_side_decodes_what_the_other_encodes() -> None:
    for message in (Ping(number=1, received=2), Welcome(host_name="a", key="k", hub_time=1.0)):
        assert protocol.decode_from_hub(protocol.encode(message)) == message


@pytest.mark.parametrize(
    ("theirs", "code", "side"), [(2, "agent_is_newer", "the hub"), (0, "agent_is_older", "the agent")]
)
def test_another_protocol_says_which_side_is_to_be_updated(theirs: int, code: str, side: str) -> None:
    """Whatever else its hello contains."""
    greeting = protocol.decode_greeting(packed({"type": "hello", "protocol": theirs, "version": "9.9", "host_id": 5}))
    refused = other_protocol(greeting)
    assert refused.code == code
    assert refused.text.endswith(f"update {side}.")


@pytest.mark.parametrize(
    "message",
    [
        {**HELLO, "host_id": "../../etc/passwd"},
        {**HELLO, "host": "x" * 300},
        {**HELLO, "host": ""},
        {**HELLO, "sent_at": math.nan},
        {**HELLO, "code": "x" * 1000},
        {**SNAPSHOT, "snapshot": {**SNAPSHOT["snapshot"], "time": 1e300}},
        {**SNAPSHOT, "snapshot": {**SNAPSHOT["snapshot"], "sampled_at": -1.0}},
        {**SNAPSHOT, "snapshot": {**SNAPSHOT["snapshot"], "gpus": [{**GPU, "utilization_percent": 101}]}},
        {**SNAPSHOT, "snapshot": None},
        {"type": 5},
        {},
        [],
        None,
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused(message: object) -> None:
    with pytest.raises(ProtocolError):
        protocol.decode_from_agent(packed(message))


@hypothesis.given(some.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    _decode(data)


_leaves = some.none() | some.booleans() | some.integers(-(2**63), 2**64 - 1) | some.floats() | some.text(max_size=20)
_values = some.recursive(
    _leaves | some.binary(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@hypothesis.given(
    some.sampled_from((HELLO, SNAPSHOT)), some.dictionaries(some.sampled_from((*HELLO, *SNAPSHOT)), _values)
)
def test_messages_with_any_values_are_a_message_or_an_error(message: dict[str, Any], changes: dict[str, Any]) -> None:
    _decode(packed({**message, **changes}))


def test_deep_nesting_is_an_error() -> None:
    for opening in (b"\x91", b"\x81\xa1a"):
        with pytest.raises(ProtocolError):
            protocol.decode_from_agent(opening * 100_000)
        with pytest.raises(ProtocolError):
            protocol.decode_from_agent(b"\x82\xa4type\xa3xyz\xa1a" + opening * 100_000)


def _decode(data: bytes) -> None:
    for decode in (protocol.decode_from_agent, protocol.decode_from_hub, protocol.decode_greeting):
        with contextlib.suppress(ProtocolError):
            decode(data)
