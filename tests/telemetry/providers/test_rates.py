"""Rates of counters of every width; the type of the driver's answer determines the width."""

from __future__ import annotations

import pynvml as nvml
import pytest

from monitor.telemetry.providers.nvml.ctypes_calls import counter_bits
from monitor.telemetry.providers.nvml.rates import Counter


def test_type_of_the_answer_determines_the_width_of_its_counter() -> None:
    assert counter_bits(nvml.NVML_VALUE_TYPE_UNSIGNED_INT) == 32
    assert (
        counter_bits(nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG) == counter_bits(nvml.NVML_VALUE_TYPE_UNSIGNED_LONG) == 64
    )


def test_a_rate_needs_two_readings() -> None:
    counter = Counter()
    assert counter.rate(5000, at=10.0) is None
    assert counter.rate(7000, at=12.0) == 1000


@pytest.mark.parametrize("bits", [16, 32])
def test_a_narrow_counter_that_fell_has_wrapped(bits: int) -> None:
    counter = Counter()
    counter.rate((1 << bits) - 100, at=0.0, bits=bits)
    assert counter.rate(300, at=2.0, bits=bits) == 200


def test_a_wide_counter_that_fell_has_started_over() -> None:
    """A value below 2^32 was once treated as 32 bits wide, whatever type the driver reported."""
    counter = Counter()
    counter.rate((1 << 32) - 100, at=0.0, bits=64)
    assert counter.rate(300, at=1.0, bits=64) is None
    assert counter.rate(400, at=2.0, bits=64) == 100
