"""Recent readings as columns."""

from __future__ import annotations

from monitor.live.series import Columns, Series
from monitor.telemetry.schema import Gpu, Snapshot


def snapshot(at: float, *utilizations: float | None, uuids: str = "abcdef", stale: bool = False) -> Snapshot:
    gpus = tuple(
        Gpu(index=place, uuid=uuid, name="x", utilization_percent=value, memory_used_percent=value)
        for place, (uuid, value) in enumerate(zip(uuids, utilizations, strict=False))
    )
    return Snapshot(host="h", seq=1, time=at, sampled_at=at, gpus=gpus, stale=stale)


def minute(*snapshots: Snapshot, step_seconds: float = 0.0) -> Series:
    series = Series(("utilization_percent", "memory_used_percent"), seconds=60, step_seconds=step_seconds)
    for each in snapshots:
        series.add(each)
    return series


def everything(series: Series, gpu: str | None = None) -> Columns:
    return series.columns(up_to=series.newest, gpu=gpu)


def test_points_are_kept_for_sixty_seconds_in_any_number() -> None:
    assert everything(minute(*[snapshot(at, 1) for at in (0.0, 10.0, 59.0, 61.0)])).time == [10.0, 59.0, 61.0]


def test_stale_or_repeated_reading_adds_no_point() -> None:
    series = minute(snapshot(1.0, 5), snapshot(1.0, 5), snapshot(2.0, 5, stale=True))
    assert everything(series).time == [1.0]
    assert series.newest == 1


def test_readings_faster_than_the_step_are_thinned_but_a_slightly_early_one_is_kept() -> None:
    series = minute(*[snapshot(at, 1) for at in (0.0, 0.2, 0.95, 1.2, 1.9, 3.5)], step_seconds=1.0)
    assert everything(series).time == [0.0, 0.95, 1.9, 3.5]


def test_unknown_value_is_none_and_zero_is_zero() -> None:
    assert everything(minute(snapshot(1.0, 0, None))).series["utilization_percent"] == [[0], [None]]


def test_gpu_keeps_its_column_when_the_order_changes() -> None:
    table = everything(
        minute(
            snapshot(1.0, 10, 20, uuids="ab"), snapshot(2.0, 21, 11, uuids="ba"), snapshot(3.0, 22, 12, 30, uuids="bac")
        )
    )
    assert table.gpus == ("b", "a", "c")
    assert table.series["memory_used_percent"] == [[20, 21, 22], [10, 11, 12], [None, None, 30]]


def test_columns_can_be_limited_to_one_gpu_even_to_an_unknown_one() -> None:
    series = minute(snapshot(1.0, 10, 20), snapshot(2.0, 11, 21))
    assert everything(series, gpu="b").series["utilization_percent"] == [[20, 21]]
    assert everything(series, gpu="z").series["utilization_percent"] == [[None, None]]


def test_columns_can_be_limited_to_a_range_of_numbers() -> None:
    series = minute(*[snapshot(float(at), at) for at in range(1, 6)])
    assert series.columns(after=2, up_to=4).time == [3.0, 4.0]


def test_clock_set_back_drops_what_is_later_than_now() -> None:
    assert everything(minute(snapshot(1000.0, 1), snapshot(10.0, 2))).time == [10.0]
    assert everything(minute(snapshot(10.0, 1), snapshot(11.0, 2), snapshot(10.5, 3))).time == [10.0, 10.5]
