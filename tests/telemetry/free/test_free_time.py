"""How long GPUs have been free, through pauses, stale readings and clock steps."""

from __future__ import annotations

from monitor.telemetry.free.free_time import FreeTime
from monitor.telemetry.schema import GpuUse, Snapshot
from tests.support.snapshots import gpu, host


def at(seconds: float, *uses: GpuUse, stale: bool = False) -> Snapshot:
    gpus = [gpu(index, use=use) for index, use in enumerate(uses)]
    return host(*gpus, time=seconds, sampled_at=seconds, stale=stale, poll_interval_seconds=1.0)


def after(*snapshots: Snapshot) -> dict[str, float]:
    free_time = FreeTime()
    for snapshot in snapshots:
        free_time.take(snapshot)
    return dict(free_time.seconds)


def test_time_counts_from_the_first_reading_that_shows_the_gpu_free() -> None:
    assert after(at(10, "free", "busy"), at(11, "free", "free"), at(13, "free", "free")) == {"GPU-0": 3.0, "GPU-1": 2.0}


def test_use_ends_it() -> None:
    assert after(at(10, "free"), at(20, "held")) == {}
    assert after(at(10, "free"), at(11, "busy"), at(12, "free")) == {"GPU-0": 0.0}
    assert after(at(10, "free"), at(11, "unknown"), at(12, "free")) == {"GPU-0": 0.0}


def test_it_starts_over_after_stale_readings_and_after_a_pause() -> None:
    assert after(at(10, "free"), at(11, "free", stale=True)) == {}
    assert after(at(10, "free"), at(11, "free", stale=True), at(12, "free")) == {"GPU-0": 0.0}
    assert after(at(10, "free"), at(40, "free")) == {"GPU-0": 0.0}


def test_snapshot_published_twice_and_a_clock_set_back_add_nothing() -> None:
    assert after(at(10, "free"), at(12, "free"), at(12, "free")) == {"GPU-0": 2.0}
    assert after(at(1000, "free"), at(1002, "free"), at(502, "free"), at(503, "free")) == {"GPU-0": 3.0}
