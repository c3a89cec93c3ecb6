"""Ages and the order of snapshots do not depend on the system's clock, which can be set at any time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.sampler.snapshot_builder import SnapshotBuilder
from monitor.telemetry.sampler.wire import Selected
from monitor.telemetry.schema import Reading, System
from tests.support.snapshots import gpu, process


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 60.0), st.floats(-2e9, 2e9), st.booleans()), min_size=1, max_size=8))
def test_age_is_the_time_that_has_passed_however_the_clock_is_set(steps: list[tuple[float, float, bool]]) -> None:
    """Each step: seconds that pass, what the clock is then set forward or back by, and whether a reading arrives."""
    builder = SnapshotBuilder("host", IdleLimits)
    at, wall, read_at = 1000.0, 1_800_000_000.0, None
    for number, (seconds, is_set_by, has_reading) in enumerate(steps, 1):
        at += seconds
        wall = min(max(0.0, wall + seconds + is_set_by), 250_000_000_000.0)
        if has_reading:
            read_at = at
            reading = Reading(sampled_at=wall, gpus=(gpu(0),))
            builder.take_reading(reading, reading.gpus, at)
        snapshot = builder.snapshot(wall, at, stale_reason=None, interval_seconds=1.0, system=None)
        assert (snapshot.seq, snapshot.stale) == (number, False)
        assert snapshot.age_seconds == (None if read_at is None else pytest.approx(at - read_at))
        assert [each.state for each in snapshot.gpus] == ([] if read_at is None else ["ok"])


@pytest.mark.parametrize(
    ("provider", "code"), [("pynvml", "waiting_for_data"), ("simulated", "none"), ("replay", "none")]
)
def test_gpus_that_are_not_of_this_host_do_not_wait_for_its_processors(provider: str, code: str) -> None:
    builder = SnapshotBuilder("host", IdleLimits)
    builder.take_selection(Selected(provider=provider, is_simulated=provider != "pynvml"))
    reading = Reading(sampled_at=5.0, gpus=(gpu(0, utilization_percent=30.0, processes=(process(7),)),))
    builder.take_reading(reading, reading.gpus, 5.0)
    system = System(cpu_percent=100.0)
    snapshot = builder.snapshot(5.0, 5.0, stale_reason=None, interval_seconds=1.0, system=system)
    assert snapshot.gpus[0].bottleneck is not None
    assert snapshot.gpus[0].bottleneck.code == code
    assert snapshot.system == system
