"""Readings for the tests of the history, and their buckets as a plain loop makes them."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from monitor.history.buckets import Buckets, empty
from monitor.history.metrics import GPU_METRICS
from monitor.history.rollup import merged
from monitor.history.second_buckets import SecondBuckets
from tests.support.snapshots import gpu

WAIT = 2.5
METRICS = tuple(
    metric for metric in GPU_METRICS if metric.name in {"utilization_percent", "power_watts", "energy_joules"}
)


class Taken(NamedTuple):
    """One reading."""

    passed: float
    """Seconds since the one before by the wall clock, which can be set."""
    utilization: float | None
    watts: float | None
    joules: float | None
    """What the counter rose by since the reading before; None if the counter cannot be read."""
    has_restarted: bool
    """The driver's counter begins again."""


class Row(NamedTuple):
    """One wide bucket."""

    start: int
    low: float | None
    mean: float | None
    high: float | None
    seconds: float


def readings(longest: int = 60) -> st.SearchStrategy[tuple[float, list[Taken]]]:
    """The time between readings as set, and the readings: late, after hours, after the clock was set, unknown."""
    one = st.builds(
        Taken,
        st.one_of(
            st.just(0.0), st.sampled_from([0.004, 1.4, 3.0, 59.0, 700.0, 5000.0, 90_000.0, -0.5, -30.0, -3600.0])
        ),
        st.one_of(st.none(), st.integers(0, 1000).map(lambda tenths: tenths / 10)),
        st.one_of(st.none(), st.integers(0, 7000).map(lambda tenths: tenths / 10)),
        st.one_of(st.none(), st.integers(0, 7_000_000).map(lambda milli: milli / 1000)),
        st.booleans(),
    )
    return st.tuples(st.sampled_from([0.1, 0.3, 1.0, 7.0, 60.0]), st.lists(one, min_size=1, max_size=longest))


def recorded(interval: float, taken: list[Taken], *, cuts: set[int] = frozenset()) -> Buckets:  # type: ignore[assignment]
    """The second buckets of the readings, taken away and begun anew at these places."""
    seconds, done = SecondBuckets(METRICS), empty()
    for place, (at, reading, counter) in enumerate(_timed(interval, taken)):
        if place in cuts:
            done = merged([done, seconds.take_before(at)], 1)
        source = gpu(utilization_percent=reading.utilization, power_watts=reading.watts, energy_joules=counter)
        if not seconds.add(at, source, interval):
            done = merged([done, seconds.take_before(float("inf"))], 1)
            assert seconds.add(at, source, interval)
    return merged([done, seconds.buckets()], 1)


def expected(interval: float, taken: list[Taken], width: int) -> dict[str, list[Row]]:
    """The buckets of this width by metric."""
    found: dict[str, dict[int, list[tuple[float, float]]]] = {metric.name: {} for metric in METRICS}
    before, counted = None, None
    for at, reading, counter in _timed(interval, taken):
        is_next = before is not None and 0 < at - before <= WAIT * interval
        stands_for = at - before if is_next and before is not None else interval
        if is_next and counter is not None and counted is not None and counter >= counted:
            used: float | None = counter - counted
        else:
            used = None if reading.watts is None else reading.watts * stands_for
        before, counted = at, counter
        values = {"utilization_percent": reading.utilization, "power_watts": reading.watts, "energy_joules": used}
        for name, value in values.items():
            bucket = found[name].setdefault(int(at) // width * width, [])
            if value is not None:
                bucket.append((value, stands_for))
    return {name: [_row(name, start, buckets[start]) for start in sorted(buckets)] for name, buckets in found.items()}


def _row(name: str, start: int, known: list[tuple[float, float]]) -> Row:
    if not known:
        return Row(start, None, None, None, 0.0)
    values, seconds = [value for value, _ in known], sum(each for _, each in known)
    if name == "energy_joules":
        return Row(start, sum(values), sum(values), sum(values), seconds)
    return Row(start, min(values), sum(value * each for value, each in known) / seconds, max(values), seconds)


def _timed(interval: float, taken: list[Taken]) -> list[tuple[float, Taken, float | None]]:
    at, counter, made = 1_800_000_000.25, 1e9, []
    for reading in taken:
        at += interval + reading.passed
        if reading.has_restarted:
            counter = 0.0
        counter += reading.joules or 0.0
        made.append((at, reading, None if reading.joules is None else counter))
    return made
