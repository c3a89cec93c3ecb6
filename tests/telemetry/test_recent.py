"""The readings of the last 15 minutes in memory: which are kept, how far apart, within a fixed size."""

from __future__ import annotations

import random

import msgspec
import pytest

from monitor.telemetry.recent import KEPT_SECONDS, MOST_BYTES, Recent
from monitor.telemetry.schema import Alert, Notice, ProviderReport, Snapshot, System
from tests.support.snapshots import gpu, host, process


def at(time: float, **changes: object) -> Snapshot:
    return host(gpu(0), time=time, sampled_at=time, **changes)


def times(recent: Recent) -> list[float]:
    return [snapshot.time for snapshot in recent.snapshots()]


def test_values_that_rules_use_are_returned_unchanged() -> None:
    recent = Recent()
    given = host(
        gpu(0, processes=(process(7),)), gpu(1, state="lost"), system=System(cpu_percent=12.5), stale=True, age_seconds=9.0
    )  # fmt: skip
    recent.add(given)
    assert [*recent.snapshots()] == [given]


def test_values_that_no_rule_uses_are_left_out() -> None:
    recent = Recent()
    alert = Alert(id="a", rule="Hot", severity="info", host="dgx", summary="", started_at=1, fired_at=1)
    recent.add(at(1.0, alerts=(alert,), notices=(Notice(code="n", text="t"),), providers=(ProviderReport(name="x"),)))
    [kept] = recent.snapshots()
    assert (kept.alerts, kept.notices, kept.providers) == ((), (), ())


def test_one_of_five_readings_per_second_is_kept() -> None:
    recent = Recent()
    for tick in range(50):
        recent.add(at(1000 + tick / 5))
    assert times(recent) == [1000.0 + second for second in range(10)]


def test_every_reading_of_a_jittering_one_second_grid_is_kept() -> None:
    recent, chance = Recent(), random.Random(1)
    given = [1000 + second + chance.uniform(-0.02, 0.02) for second in range(100)]
    for time in given:
        recent.add(at(time))
    assert times(recent) == given


def test_last_15_minutes_are_kept() -> None:
    recent = Recent()
    for second in range(0, 2000, 10):
        recent.add(at(float(second)))
    assert times(recent) == [float(second) for second in range(1990 - int(KEPT_SECONDS), 2000, 10)]


@pytest.mark.slow
@pytest.mark.parametrize("gpus", [16, 64])
def test_large_snapshots_are_kept_further_apart_so_that_15_minutes_fit(gpus: int) -> None:
    most_bytes = MOST_BYTES // 50  # a fiftieth of the size, for a fiftieth of the test's duration
    recent, chance = Recent(most_bytes=most_bytes), random.Random(2)
    for second in range(1000):
        boards = [
            gpu(index, power_watts=chance.random() * 700, processes=tuple(process(pid) for pid in range(3)))
            for index in range(gpus)
        ]
        recent.add(host(*boards, time=float(second), sampled_at=float(second)))
    kept = times(recent)
    assert recent.size_bytes <= most_bytes
    assert recent.step_seconds > 1
    assert kept[-1] - kept[0] >= 0.8 * KEPT_SECONDS


def test_snapshot_larger_than_the_whole_limit_is_dropped_without_an_error() -> None:
    recent = Recent(most_bytes=10)
    recent.add(at(1.0))
    recent.add(at(1e9))
    assert (times(recent), recent.size_bytes) == ([], 0)


def test_clock_set_back_far_clears_the_readings() -> None:
    recent = Recent()
    for time in (5000.0, 5001.0, 1000.0, 1001.0):
        recent.add(at(time))
    assert times(recent) == [1000.0, 1001.0]


def test_clock_set_back_a_little_pauses_until_time_advances() -> None:
    recent = Recent()
    for time in (5000.0, 4999.5, 5000.5, 5001.5):
        recent.add(at(time))
    assert times(recent) == [5000.0, 5001.5]


def test_iteration_sees_the_readings_kept_when_it_began() -> None:
    recent = Recent()
    recent.add(at(1.0))
    reading = recent.snapshots()
    recent.add(at(2.0))
    assert [snapshot.time for snapshot in reading] == [1.0]


def test_stale_snapshot_stays_stale() -> None:
    recent = Recent()
    stale = msgspec.structs.replace(at(10.0), stale=True, sampled_at=3.0, age_seconds=7.0)
    recent.add(stale)
    assert [*recent.snapshots()] == [stale]
