"""Messages are decoded from any pieces of the stream; other bytes are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.telemetry.sampler import wire
from monitor.telemetry.schema import Gpu, ProviderReport, Reading

MESSAGES: list[wire.Message] = [
    wire.Selected(provider="pynvml", reports=(ProviderReport(name="pynvml", is_chosen=True),)),
    Reading(
        sampled_at=1.5,
        gpus=(Gpu(index=0, uuid="GPU-1", name="H100", utilization_percent=0, unavailable={"fans": "none"}),),
    ),
    wire.StartOver(unattached=("0000:01:00.0",)),
    wire.Failed(reason="gone", fix=None),
]


@given(st.lists(st.integers(1, 400)))
def test_messages_are_decoded_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(wire.encode(message) for message in MESSAGES)
    reader, found = wire.MessageReader(), []
    while stream:
        size = cuts.pop() if cuts else len(stream)
        found += list(reader.feed(stream[:size]))
        stream = stream[size:]
    assert found == MESSAGES


def test_zero_stays_zero_and_unknown_stays_unknown() -> None:
    (reading,) = wire.MessageReader().feed(wire.encode(MESSAGES[1]))
    assert isinstance(reading, Reading)
    assert reading.gpus[0].utilization_percent == 0
    assert reading.gpus[0].power_watts is None


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        wire.encode(MESSAGES[0]).replace(b"selected", b"unheard-"),
        wire.encode(MESSAGES[3]).replace(b"gone", b"\xff\xfe\xfd\xfc"),
        b"\x00\x01\x00\x00" + b"\x91" * (1 << 16),
    ],
    ids=["too long", "no MessagePack", "another kind", "no UTF-8", "nested"],
)
def test_bytes_that_are_not_a_message_are_refused(data: bytes) -> None:
    """Found by fuzzing: invalid UTF-8 and deep nesting were not named as the sampler's fault, and it was not replaced."""
    with pytest.raises(wire.WireError):
        list(wire.MessageReader().feed(data))


def test_a_percentage_above_100_is_refused() -> None:
    wrong = Reading(sampled_at=0.0, gpus=(Gpu(index=0, uuid="x", name="y", utilization_percent=101.0),))
    with pytest.raises(wire.WireError, match="<= 100"):
        list(wire.MessageReader().feed(wire.encode(wrong)))
