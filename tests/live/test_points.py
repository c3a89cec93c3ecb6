"""The last minute in columns: time is time, a gap is a gap."""

from __future__ import annotations

from monitor.live.points import Ring, columns
from monitor.telemetry.schema import Gpu, Snapshot


def snapshot(at: float, *utilizations: float | None, uuids: str = "abcdef", stale: bool = False) -> Snapshot:
    gpus = tuple(
        Gpu(index=place, uuid=uuid, name="x", utilization_percent=value, memory_used_percent=value)
        for place, (uuid, value) in enumerate(zip(uuids, utilizations, strict=False))
    )
    return Snapshot(host="h", seq=1, time=at, sampled_at=at, gpus=gpus, stale=stale)


def test_points_stay_for_sixty_seconds_of_time_and_not_of_count() -> None:
    ring = Ring()
    for at in (0.0, 10.0, 59.0, 61.0):
        ring.add(snapshot(at, 1))
    assert [point.time for point in ring.all()] == [10.0, 59.0, 61.0]


def test_a_stale_or_repeated_reading_adds_no_point() -> None:
    ring = Ring()
    assert ring.add(snapshot(1.0, 5)) is not None
    assert ring.add(snapshot(1.0, 5)) is None
    assert ring.add(snapshot(2.0, 5, stale=True)) is None
    assert columns(ring.all()).time == [1.0]


def test_an_unknown_value_is_none_and_zero_is_zero() -> None:
    ring = Ring()
    ring.add(snapshot(1.0, 0, None))
    assert columns(ring.all()).utilization == [[0], [None]]


def test_a_gpu_keeps_its_column_when_the_order_changes() -> None:
    ring = Ring()
    ring.add(snapshot(1.0, 10, 20, uuids="ab"))
    ring.add(snapshot(2.0, 21, 11, uuids="ba"))
    ring.add(snapshot(3.0, 22, 12, 30, uuids="bac"))
    table = columns(ring.all())
    assert table.gpus == ("b", "a", "c")
    assert table.utilization == [[20, 21, 22], [10, 11, 12], [None, None, 30]]


def test_a_clock_set_back_starts_the_minute_over() -> None:
    ring = Ring()
    ring.add(snapshot(1000.0, 1))
    ring.add(snapshot(10.0, 2))
    assert [point.time for point in ring.all()] == [10.0]
