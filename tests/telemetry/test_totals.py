"""Totals cover the GPUs that report a value, and count the others."""

from __future__ import annotations

from monitor.telemetry.schema import Gpu
from monitor.telemetry.totals import NO_GPU, total


def gpu(index: int, **values: object) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name="H100", **values)  # type: ignore[arg-type]


def test_sums_and_means_cover_the_gpus_that_report() -> None:
    totals = total([gpu(0, utilization_percent=0, power_watts=100.0), gpu(1, utilization_percent=50), gpu(2)])
    assert totals.utilization_percent == 25
    assert totals.power_watts == 100
    assert totals.unavailable["utilization_percent"] == "unknown for GPU 2"
    assert totals.unavailable["power_watts"] == "unknown for GPU 1, 2"


def test_zero_counts_as_a_reading() -> None:
    totals = total([gpu(0, utilization_percent=0, power_watts=0.0, memory_used_bytes=0, temperature_celsius=0)])
    assert (totals.utilization_percent, totals.power_watts, totals.memory_used_bytes) == (0, 0, 0)
    assert totals.hottest_temperature_celsius == 0


def test_every_total_is_unknown_with_a_reason_without_a_gpu() -> None:
    totals = total([])
    assert totals.gpu_count == 0
    assert totals.utilization_percent is totals.memory_total_bytes is totals.hottest_gpu_index is None
    assert set(totals.unavailable.values()) == {NO_GPU}


def test_the_hottest_gpu_is_named() -> None:
    totals = total([gpu(0, temperature_celsius=40), gpu(1, temperature_celsius=80), gpu(2)])
    assert (totals.hottest_gpu_index, totals.hottest_gpu_uuid, totals.hottest_temperature_celsius) == (1, "GPU-1", 80)


def test_unified_memory_counts_once() -> None:
    shared = {"memory_is_unified": True, "memory_total_bytes": 128, "memory_used_bytes": 64}
    totals = total([gpu(0, **shared), gpu(1, **shared), gpu(2, memory_total_bytes=10, memory_used_bytes=1)])
    assert (totals.memory_total_bytes, totals.memory_used_bytes) == (138, 65)


def test_sum_beyond_64_bits_is_unknown() -> None:
    """A recording can contain anything; the database and clients have integers of 64 bits."""
    totals = total(
        [gpu(0, memory_used_bytes=(1 << 63) - 1), gpu(1, memory_used_bytes=1, power_watts=1e308, power_limit_watts=1)]
    )
    assert totals.memory_used_bytes is None
    assert "64 bits" in totals.unavailable["memory_used_bytes"]
    overflowing = total([gpu(0, power_watts=1e308), gpu(1, power_watts=1e308)])
    assert overflowing.power_watts is None
    assert overflowing.unavailable["power_watts"]
