"""Buckets of every width equal what a plain loop over the readings makes, whatever the clock and the counter did."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.history.buckets import Buckets, Column, joined
from monitor.history.metrics import GPU_METRICS
from monitor.history.rollup import merged, roll_up
from monitor.history.second_buckets import SecondBuckets
from monitor.history.tiers import MINUTES, QUARTERS, TIERS
from tests.history.readings import METRICS, Row, Taken, expected, readings, recorded
from tests.support.snapshots import gpu


def rows(buckets: Buckets, name: str) -> list[Row]:
    unknown = [None] * len(buckets.starts)
    column = buckets.columns.get(name, Column(unknown, unknown, unknown, [0.0] * len(buckets.starts)))
    return [Row(*row) for row in zip(buckets.starts, *column, strict=True)]


def about(wanted: list[Row], name: str) -> list[object]:
    """Means within rounding; amounts within the joules that are carried over at each change of the clock."""

    def near(value: float | None, *, is_exact: bool) -> object:
        if value is None:
            return None
        return pytest.approx(value, abs=5) if name == "energy_joules" else value if is_exact else pytest.approx(value)

    return [
        (
            row.start,
            near(row.low, is_exact=True),
            near(row.mean, is_exact=False),
            near(row.high, is_exact=True),
            pytest.approx(row.seconds, abs=1e-6),
        )
        for row in wanted
    ]


@given(readings(), st.sets(st.integers(0, 60)), st.sampled_from([tier.bucket_seconds for tier in TIERS] + [7, 86_400]))
def test_buckets_equal_those_of_a_plain_loop(made: tuple[float, list[Taken]], cuts: set[int], width: int) -> None:
    found = roll_up(recorded(*made, cuts=cuts), width)
    wanted = expected(*made, width)
    assert {name: [tuple(row) for row in rows(found, name)] for name in wanted} == {
        name: about(of_metric, name) for name, of_metric in wanted.items()
    }


@given(readings(), st.integers(0, 60))
def test_tiers_are_the_same_whether_made_from_readings_or_from_parts_of_finer_buckets(
    made: tuple[float, list[Taken]], place: int
) -> None:
    seconds = recorded(*made)
    parts = [seconds.slice(0, place), seconds.slice(place, len(seconds.starts))]
    minutes = merged([roll_up(part, MINUTES.bucket_seconds) for part in reversed(parts)], MINUTES.bucket_seconds)
    at_once, in_steps = roll_up(seconds, QUARTERS.bucket_seconds), roll_up(minutes, QUARTERS.bucket_seconds)
    assert at_once.starts == in_steps.starts
    for metric in METRICS:
        assert [tuple(row) for row in rows(in_steps, metric.name)] == about(rows(at_once, metric.name), metric.name)


@given(readings(), st.integers(1, 5000), st.data())
def test_highest_of_any_span_is_the_highest_reading_in_it(
    made: tuple[float, list[Taken]], width: int, data: st.DataObject
) -> None:
    seconds = recorded(*made)
    found = roll_up(seconds, width)
    starts = data.draw(st.tuples(*[st.sampled_from(found.starts)] * 2))
    first, end = min(starts), max(starts) + width
    narrow = [row.high for row in rows(seconds, "power_watts") if first <= row.start < end and row.high is not None]
    wide = [row.high for row in rows(found, "power_watts") if first <= row.start < end and row.high is not None]
    assert max(wide, default=None) == max(narrow, default=None)


@given(readings())
def test_energy_of_all_buckets_together_is_exact(made: tuple[float, list[Taken]]) -> None:
    found = [row.mean for row in rows(recorded(*made), "energy_joules") if row.mean is not None]
    wanted = [row.mean for row in expected(*made, 1)["energy_joules"] if row.mean is not None]
    assert sum(found) == pytest.approx(sum(wanted), abs=1)


def test_part_of_a_bucket_is_kept_with_its_seconds() -> None:
    seconds = SecondBuckets(METRICS)
    for second in range(50, 75):
        seconds.add(1_800_000_000 + second, gpu(power_watts=float(second)), 1)
    minutes = roll_up(seconds.buckets(), 60)
    assert [(row.start % 60, row.low, row.mean, row.high, row.seconds) for row in rows(minutes, "power_watts")] == [
        (0, 50.0, 54.5, 59.0, 10.0),
        (0, 60.0, 67.0, 74.0, 15.0),
    ]


def test_faster_readings_become_a_second_with_lowest_mean_and_highest() -> None:
    seconds = SecondBuckets(METRICS)
    for tenths, watts in ((0, 100.0), (5, 300.0), (10, 50.0)):
        seconds.add(1_800_000_000 + tenths / 10, gpu(power_watts=watts), 0.5)
    assert [tuple(row) for row in rows(seconds.buckets(), "power_watts")] == [
        (1_800_000_000, 100.0, 200.0, 300.0, 1.0),
        (1_800_000_001, 50.0, 50.0, 50.0, 0.5),
    ]


def test_clock_set_back_adds_nothing_until_the_buckets_are_taken() -> None:
    seconds = SecondBuckets(METRICS)
    assert seconds.add(1_800_000_100.0, gpu(), 1)
    assert not seconds.add(1_800_000_050.0, gpu(), 1)
    assert seconds.take_before(float("inf")).starts == [1_800_000_100]
    assert seconds.add(1_800_000_050.0, gpu(), 1)
    assert seconds.newest == 1_800_000_050


def test_metric_that_was_never_known_has_no_column() -> None:
    seconds = SecondBuckets(GPU_METRICS)
    seconds.add(1_800_000_000.0, gpu(fans=(), jpeg_utilization_percent=None), 1)
    assert {"fan_percent", "jpeg_utilization_percent"}.isdisjoint(seconds.buckets().columns)


def test_joined_parts_keep_one_list_for_plain_readings() -> None:
    """Writing would otherwise store everything three times."""
    seconds = SecondBuckets(METRICS)
    seconds.add(1_800_000_000.0, gpu(), 1)
    first = seconds.take_before(float("inf"))
    seconds.add(1_800_000_001.0, gpu(power_watts=None), 1)
    found = joined([first, seconds.buckets()])
    power, utilization = found.columns["power_watts"], found.columns["utilization_percent"]
    assert power.low is power.mean is power.high
    assert (power.mean, power.seconds) == ([350.0, None], [1.0, 0.0])
    assert utilization.seconds is found.seconds
