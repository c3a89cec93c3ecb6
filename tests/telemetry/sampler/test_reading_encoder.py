"""A value that cannot be sent costs its GPU's readings, and no other GPU's."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.reading_encoder import ReadingEncoder
from monitor.telemetry.schema import Gpu, Reading


def gpu(index: int, **values: Any) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name="H100", **{"temperature_celsius": 50.0, **values})


def received(reading: Reading) -> Reading:
    (message,) = wire.MessageReader().feed(ReadingEncoder().encode(reading))
    assert isinstance(message, Reading)
    return message


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"ecc_corrected_volatile": 4 * (2**64 - 1)}, "OverflowError"),
        ({"memory_used_bytes": -(2**63) - 1}, "OverflowError"),
        ({"utilization_percent": 101.0}, "ValidationError"),
        ({"memory_used_bytes": 1.5}, "ValidationError"),
        ({"architecture": "\ud800"}, "UnicodeEncodeError"),
    ],
)
def test_value_that_cannot_be_sent_costs_only_its_gpu(values: dict[str, Any], error: str) -> None:
    """An ECC counter beyond 64 bits ended every sampler, for ever."""
    first, second = received(Reading(sampled_at=1.0, gpus=(gpu(0, **values), gpu(1)))).gpus
    assert second == gpu(1)
    assert (first.index, first.uuid, first.state, first.temperature_celsius) == (0, "GPU-0", "ok", None)
    assert error in first.unavailable["temperature_celsius"]
    assert "not in the driver" in first.unavailable["temperature_celsius"]


def test_wrong_value_outside_the_gpus_is_an_error() -> None:
    with pytest.raises(Exception, match="int"):
        ReadingEncoder().encode(Reading(sampled_at=1.0, gpus=(gpu(0),), clamped_count=2**65))


def test_value_that_stays_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    encoder = ReadingEncoder()
    for second in range(3):
        encoder.encode(Reading(sampled_at=float(second), gpus=(gpu(0, memory_used_bytes=2**65),)))
    assert len(caplog.records) == 1


ANY = st.none() | st.integers() | st.floats() | st.text(max_size=5)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(ANY, ANY, ANY), max_size=4))
def test_every_gpu_arrives_whatever_a_provider_made_of_its_values(values: list[tuple[Any, Any, Any]]) -> None:
    gpus = tuple(
        gpu(index, utilization_percent=one, memory_used_bytes=two, architecture=three)
        for index, (one, two, three) in enumerate(values)
    )
    arrived = received(Reading(sampled_at=1.0, gpus=gpus)).gpus
    assert [each.index for each in arrived] == list(range(len(values)))
    assert all(each.utilization_percent is None or 0 <= each.utilization_percent <= 100 for each in arrived)
    assert not any(
        isinstance(each.utilization_percent, float) and math.isnan(each.utilization_percent) for each in arrived
    )
