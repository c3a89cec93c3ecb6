"""Stored metrics are read from the schema's structs."""

from __future__ import annotations

import pytest

from monitor.history.metrics import GPU_METRICS, HOST_METRICS, metric_of
from monitor.live.series import QUARTER_METRICS
from monitor.rules.choices import THROTTLE_REASONS
from monitor.telemetry.schema import Fan, Gpu, System
from tests.support.snapshots import gpu


def test_every_metric_of_the_live_charts_is_stored() -> None:
    assert set(QUARTER_METRICS) <= {metric.name for metric in GPU_METRICS}


def test_every_metric_is_stored_once() -> None:
    for metrics in (GPU_METRICS, HOST_METRICS):
        names = [metric.name for metric in metrics]
        assert sorted(names) == sorted(set(names))


def test_every_metric_of_a_gpu_or_a_host_without_values_is_unknown() -> None:
    bare = Gpu(index=0, uuid="GPU-0", name="bare")
    assert [metric.read(bare) for metric in GPU_METRICS] == [None] * len(GPU_METRICS)
    assert [metric.read(System()) for metric in HOST_METRICS] == [None] * len(HOST_METRICS)


def test_fan_is_the_fastest() -> None:
    fans = (Fan(speed_percent=30), Fan(speed_percent=70), Fan(speed_rpm=900))
    assert metric_of("fan_percent").read(gpu(fans=fans)) == 70
    assert metric_of("fan_percent").read(gpu(fans=(Fan(speed_rpm=900),))) is None


@pytest.mark.parametrize(
    ("reasons", "held"),
    [
        (("hw_thermal_slowdown", "hw_slowdown"), {"thermal", "hardware"}),
        (("sw_power_cap",), {"power"}),
        (("gpu_idle",), set()),
        (("sync_boost",), {"other"}),
        (("0x1000",), {"other"}),
        ((), set()),
    ],
)
def test_throttling_is_told_by_reason(reasons: tuple[str, ...], held: set[str]) -> None:
    busy = gpu(clock_event_reasons=reasons)
    values = {
        name: metric_of(f"throttled_{name}_percent").read(busy) for name in ("thermal", "power", "hardware", "other")
    }
    assert values == {name: 100.0 if name in held else 0.0 for name in values}


def test_throttling_by_heat_and_power_is_what_alert_rules_mean() -> None:
    for name, reasons in THROTTLE_REASONS.items():
        metric = metric_of(f"throttled_{name}_percent")
        assert [metric.read(gpu(clock_event_reasons=(reason,))) for reason in sorted(reasons)] == [100.0, 100.0]
