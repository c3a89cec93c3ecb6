"""Figures that no hardware can have become unknown, with the reported value in the reason; believable ones stay."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.providers.plausible import RANGES, Bounds

GIB = 1 << 30


def checked(**values: Any) -> tuple[dict[str, Any], dict[str, str]]:
    reasons = Bounds("the driver").check(values)
    return values, reasons


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("power_watts", 1400.5),
        ("power_watts", 0),
        ("temperature_celsius", 0),
        ("temperature_celsius", 120),
        ("memory_clock_mhz", 18_000),
        ("memory_total_bytes", 288 * 10**9),
        ("energy_joules", 4_300_000.5),
        ("ecc_corrected_aggregate", 5_000_000_000),
        ("pcie_rx_bytes_per_second", 60e9),
        ("utilization_percent", 100),
    ],
)
def test_values_of_real_hardware_stay(metric: str, value: float) -> None:
    assert checked(**{metric: value}) == ({metric: value}, {})


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("power_watts", 4294967295, "4294967295 W"),
        ("slowdown_temperature_celsius", 0, "0 °C, outside 1–199 °C"),  # every reading would be an alert
        ("power_limit_watts", 0.0, "0 W, outside 1–3500 W"),
        ("power_watts", 4294967.295, "4294967.29 W, outside 0–3500 W"),
        ("power_average_watts", -1.0, "-1 W"),
        ("power_watts", 3868, "3868 W"),
        ("temperature_celsius", 255, "255 °C, outside 0–199 °C"),
        ("temperature_celsius", 511, "511 °C"),
        ("temperature_celsius", -1, "-1 °C"),
        ("memory_temperature_celsius", 510, "510 °C"),
        ("utilization_percent", 808, "808 %, outside 0–100 %"),
        ("utilization_percent", 102, "102 %"),
        ("sm_utilization_percent", -1, "-1 %"),
        ("sm_clock_mhz", 4294967295, "4294967295 MHz"),
        ("memory_used_bytes", 18446744073413853184, "18446744073413853184 bytes"),
        ("memory_used_bytes", -12582912, "-12582912 bytes"),
        ("ecc_corrected_volatile", 1 << 64, "18446744073709551616"),
        ("pcie_replays", 4294967295, "4294967295: all bits set"),
        ("speed_percent", 65535, "65535 %"),
        ("speed_rpm", 65535, "65535 rpm"),
        ("energy_joules", 18446744073709551.615, "J"),
        ("pcie_width", 255, "255 lanes"),
    ],
)
def test_values_of_no_hardware_are_unknown_with_the_value_in_the_reason(metric: str, value: float, words: str) -> None:
    values, reasons = checked(**{metric: value})
    assert values == {metric: None}
    assert reasons[metric].startswith("the driver reports ")
    assert words in reasons[metric]


def test_overshoot_by_rounding_is_brought_back_to_100_and_counted() -> None:
    bounds = Bounds("the driver")
    values = {"utilization_percent": 101, "memory_utilization_percent": 100.4, "encoder_utilization_percent": 100}
    assert bounds.check(values) == {}
    assert set(values.values()) == {100}
    assert bounds.clamped_count == 2


def test_fan_above_its_rated_speed_runs_at_full_speed() -> None:
    """NVML's 100 % is the speed at the tolerated noise, not the highest."""
    assert checked(speed_percent=130) == ({"speed_percent": 100}, {})


def test_part_of_the_memory_is_not_more_than_the_whole() -> None:
    values, reasons = checked(memory_total_bytes=24 * GIB, memory_used_bytes=25 * GIB, memory_free_bytes=24 * GIB)
    assert (values["memory_used_bytes"], values["memory_free_bytes"]) == (None, 24 * GIB)
    assert reasons == {
        "memory_used_bytes": "the driver reports 26843545600 bytes, more than the total of 25769803776 bytes"
    }


def test_memory_of_a_process_is_compared_with_that_of_its_gpu() -> None:
    values = {"memory_used_bytes": 25 * GIB}
    assert Bounds("nvtop").check(values, memory_total_bytes=24 * GIB)
    assert values == {"memory_used_bytes": None}


def test_draw_of_many_times_the_limit_of_the_board_is_unknown() -> None:
    values, reasons = checked(power_watts=1500, power_max_limit_watts=150.0, power_limit_watts=100)
    assert values["power_watts"] is None
    assert reasons == {"power_watts": "the driver reports 1500 W, but the board's limit is 150 W"}
    assert checked(power_watts=748.66, power_limit_watts=350)[1] == {}


def test_every_figure_of_a_gpu_has_bounds() -> None:
    """Also those that are added to the schema later: the bounds follow from the unit in the name."""
    assert {"ofa_utilization_percent", "bar1_total_bytes", "ecc_uncorrected_aggregate", "video_clock_max_mhz"} <= set(
        RANGES
    )
    assert "cpu_percent" not in RANGES


numbers = st.one_of(
    st.none(),
    st.integers(),
    st.integers(-(1 << 65), 1 << 65),
    st.sampled_from([0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -1, 255, 65535]),
    st.floats(),
)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(sorted(RANGES)), numbers))
def test_whatever_is_reported_what_stays_is_in_range_and_what_goes_has_a_reason(given_values: dict[str, Any]) -> None:
    values = dict(given_values)
    reasons = Bounds("the driver").check(values)
    for metric, value in values.items():
        if value is None:
            assert (metric in reasons) == (given_values[metric] is not None)
        else:
            assert math.isfinite(value)
            assert RANGES[metric].least <= value <= RANGES[metric].most < 1 << 63
            assert not metric.endswith("_percent") or value <= 100
