"""Answers about any span, put together from tiers, what is not yet rolled up, and what is not yet written."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.history.buckets import Buckets, Column, Values
from monitor.history.chunk_codec import pack
from monitor.history.gaps import LOST, NOT_RECORDED, NOT_RUNNING
from monitor.history.queries import Answer, history, width_for
from monitor.history.rollup import roll_up
from monitor.history.second_buckets import SecondBuckets
from monitor.history.tiers import MINUTES, QUARTERS, SECONDS, Tier
from monitor.models import HistoryChunk, HistoryGap, HistorySource
from tests.history.readings import METRICS, Taken, readings, recorded
from tests.support.snapshots import gpu

pytestmark = pytest.mark.django_db(databases="__all__")

NOON = 1_800_014_400
"""A multiple of all chunks' spans but that of quarter-hours."""
KEY = "GPU-0"
POWER = "power_watts"


def file(source: HistorySource, tier: Tier, buckets: Buckets, *, pieces: int = 0) -> None:
    """Store closed chunks, or open pieces of so many buckets."""
    first, rows = 0, []
    while first < len(buckets.starts):
        chunk = tier.chunk_of(buckets.starts[first])
        last = first
        while (
            last < len(buckets.starts)
            and tier.chunk_of(buckets.starts[last]) == chunk
            and (not pieces or last < first + pieces)
        ):
            last += 1
        part = buckets.slice(first, last)
        start, end = part.starts[0], part.starts[-1] + tier.bucket_seconds
        data = pack(part, METRICS)
        rows.append(
            HistoryChunk(source=source, tier=tier.number, start=start, end=end, is_open=bool(pieces), data=data)
        )
        first = last
    HistoryChunk.objects.bulk_create(rows)


def stored(seconds: Buckets, *, closed: Sequence[int], written: float, pieces: int = 60) -> None:
    """As the recorder leaves the rows: seconds are closed and rolled up before `closed[0]`, minutes before `closed[1]`."""
    HistoryChunk.objects.all().delete()
    HistorySource.objects.all().delete()
    HistoryGap.objects.all().delete()
    written_seconds = seconds.between(0, written)
    if not written_seconds.starts:
        return
    source = HistorySource.objects.create(
        key=KEY, kind="gpu", index=0, name="H100", first_at=seconds.starts[0], last_at=0
    )
    to_minutes, to_quarters = SECONDS.chunk_of(closed[0]), MINUTES.chunk_of(min(closed))
    file(source, SECONDS, written_seconds.between(0, to_minutes))
    file(source, SECONDS, written_seconds.between(to_minutes, float("inf")), pieces=pieces)
    minutes = roll_up(written_seconds.between(0, to_minutes), 60)
    file(source, MINUTES, minutes.between(0, to_quarters))
    file(source, MINUTES, minutes.between(to_quarters, float("inf")), pieces=pieces)
    file(source, QUARTERS, roll_up(minutes.between(0, to_quarters), 900), pieces=pieces)


def known(values: Values) -> list[float]:
    return [value for value in values if value is not None]


def every_second(first: int, last: int, watts: float = 300.0) -> Buckets:
    seconds = SecondBuckets(METRICS)
    for at in range(first, last):
        seconds.add(float(at), gpu(power_watts=watts + at % 7, energy_joules=None), 1)
    return seconds.buckets()


def of(start: float, end: float, points: int, metric: str = POWER, waiting: Buckets | None = None) -> Answer:
    newest = None if waiting is None else lambda _key, names, _host_id: waiting.only(names)
    (answer,) = history(KEY, [metric], start, end, points, newest=newest)
    return answer


@settings(max_examples=25)
@given(readings(longest=40), st.data())
def test_any_span_at_any_width_has_the_extremes_the_seconds_and_the_energy_of_its_readings(
    made: tuple[float, list[Taken]], data: st.DataObject
) -> None:
    seconds = recorded(*made)
    moment = st.integers(seconds.starts[0] - 100, seconds.starts[-1] + 100)
    closed, written = data.draw(st.tuples(moment, moment)), data.draw(moment)
    stored(seconds, closed=[min(at, written) for at in closed], written=written, pieces=data.draw(st.integers(1, 60)))
    start, end = sorted([data.draw(moment), data.draw(moment) + 1])
    points = data.draw(st.integers(1, 500))
    for name in (POWER, "energy_joules", "utilization_percent"):
        answer = of(start, end + 1, points, name, seconds)
        assert (answer.start <= start, answer.end >= end) == (True, True)
        assert (answer.end - answer.start) // answer.bucket_seconds <= points
        assert answer.time == sorted(set(answer.time))
        wanted = seconds.between(answer.start, answer.end).columns.get(name)
        low, mean, high, times = wanted or Column([], [], [], [])
        found = known(answer.mean)
        # Each bucket that is stored is rounded to a tenth of a second.
        assert sum(answer.seconds) == pytest.approx(sum(times), abs=0.06 * (len(times) + len(found)))
        if name == "energy_joules":
            assert sum(found) == pytest.approx(sum(known(mean)), abs=0.1)
        else:
            assert max(known(answer.high), default=None) == max(known(high), default=None)
            assert min(known(answer.low), default=None) == min(known(low), default=None)


def test_tier_follows_from_the_range() -> None:
    stored(every_second(NOON, NOON + 2400), closed=[NOON + 1800, NOON], written=NOON + 2400)
    answers = [of(NOON, NOON + span, 60) for span in (60, 600, 3600, 86_400)]
    assert [(answer.tier, answer.bucket_seconds, answer.is_thinned) for answer in answers] == [
        ("seconds", 1, False),
        ("seconds", 10, True),
        ("minutes", 60, True),
        ("quarter-hours", 1800, True),
    ]
    assert [answer.seconds[0] for answer in answers] == [1.0, 10.0, 60.0, 1800.0]


def test_newest_readings_are_there_before_they_are_rolled_up_or_written() -> None:
    seconds = every_second(NOON, NOON + 1300)
    stored(seconds, closed=[NOON + 600, NOON], written=NOON + 1200)
    answer = of(NOON, NOON + 3600, 60, waiting=seconds.between(NOON + 1100, NOON + 1300))
    assert (answer.tier, answer.time[-1], answer.seconds[-1]) == ("minutes", NOON + 1260, 40.0)
    assert sum(answer.seconds) == 1300


def test_coarser_tier_answers_where_the_finer_one_is_no_longer_kept() -> None:
    stored(every_second(NOON, NOON + 2400), closed=[NOON + 2400, NOON], written=NOON + 2400)
    HistoryChunk.objects.filter(tier=SECONDS.number, start__lt=NOON + 1200).delete()
    old, new = of(NOON, NOON + 600, 600), of(NOON + 1200, NOON + 1800, 600)
    assert (old.tier, old.bucket_seconds, old.time) == ("minutes", 60, [*range(NOON, NOON + 600, 60)])
    assert (new.tier, new.bucket_seconds, len(new.time)) == ("seconds", 1, 600)


def test_span_that_begins_before_a_young_history_keeps_its_tier() -> None:
    """Rolled up, the first reading's minute begins before it: minutes seemed to reach back further, on the first day."""
    stored(every_second(NOON + 590, NOON + 700), closed=[NOON + 600, NOON], written=NOON + 700)
    answer = of(NOON + 500, NOON + 700, 600)
    assert (answer.tier, answer.bucket_seconds, len(answer.time)) == ("seconds", 1, 110)


def test_span_without_readings_keeps_the_tier_of_its_neighbors() -> None:
    stored(every_second(NOON, NOON + 600), closed=[NOON, NOON], written=NOON + 600)
    answer = of(NOON + 7200, NOON + 7260, 600)
    assert (answer.tier, answer.bucket_seconds, answer.time, answer.mean) == ("seconds", 1, [], [])


@pytest.mark.slow
def test_peak_of_one_quarter_is_seen_in_three_years() -> None:
    starts = [*range(NOON - 3 * 365 * 86_400, NOON, 900)]
    watts: Values = [300.0 + place % 5 for place in range(len(starts))]
    peaks, whole = watts.copy(), [900.0] * len(starts)
    peaks[40_000] = 699.9
    years = Buckets(starts, whole, {POWER: Column(watts, watts, peaks, whole)})
    HistoryChunk.objects.all().delete()
    source = HistorySource.objects.create(key=KEY, kind="gpu", index=0, name="H100", first_at=starts[0], last_at=NOON)
    file(source, QUARTERS, years)
    for points in (50, 600, 5000):
        answer = of(starts[0], NOON, points)
        assert (answer.tier, answer.gaps, sum(answer.seconds)) == ("quarter-hours", [], 3 * 365 * 86_400.0)
        assert len(answer.time) <= points
        assert [value for value in answer.high if value is not None and value > 304] == [699.9]
    exact = of(starts[39_999], starts[40_002], 3)
    assert (exact.bucket_seconds, exact.high, exact.mean) == (900, [304.0, 699.9, 301.0], [304.0, 300.0, 301.0])


def test_gap_interrupts_the_line_and_says_why() -> None:
    stored(every_second(NOON, NOON + 100), closed=[NOON, NOON], written=NOON + 300)
    source = HistorySource.objects.get()
    file(source, SECONDS, every_second(NOON + 200, NOON + 300), pieces=60)
    HistoryGap.objects.create(source=None, start=NOON + 100, end=NOON + 200, reason=NOT_RUNNING)
    HistoryGap.objects.create(source=source, start=NOON + 100, end=NOON + 150, reason=LOST, text="fell off the bus")
    HistoryGap.objects.create(
        source=HistorySource.objects.create(key="GPU-1", kind="gpu", name="", first_at=0, last_at=0),
        start=NOON,
        end=NOON + 300,
        reason=LOST,
    )
    answer = of(NOON + 50, NOON + 300, 600)
    assert [(gap.start - NOON, gap.end - NOON, gap.reason, gap.text) for gap in answer.gaps] == [
        (100, 150, LOST, "fell off the bus"),
        (100, 200, NOT_RUNNING, "gpumon was not running"),
    ]
    place = answer.time.index(NOON + 100)
    assert (answer.mean[place], answer.seconds[place], answer.time[place + 1]) == (None, 0.0, NOON + 200)
    assert [len(column) for column in (answer.low, answer.mean, answer.high, answer.seconds)] == [len(answer.time)] * 4


def test_hole_without_a_known_reason_was_not_recorded() -> None:
    stored(every_second(NOON, NOON + 60), closed=[NOON, NOON], written=NOON + 60)
    file(HistorySource.objects.get(), SECONDS, every_second(NOON + 90, NOON + 120), pieces=60)
    (gap,) = of(NOON, NOON + 120, 600).gaps
    assert (gap.start, gap.end, gap.reason) == (NOON + 60, NOON + 90, NOT_RECORDED)


def test_slow_readings_are_no_gaps() -> None:
    seconds = SecondBuckets(METRICS)
    for at in range(NOON, NOON + 600, 20):
        seconds.add(float(at), gpu(power_watts=100.0), 20)
    stored(seconds.buckets(), closed=[NOON, NOON], written=NOON + 600)
    answer = of(NOON, NOON + 600, 600)
    assert (answer.gaps, answer.time) == ([], [*range(NOON, NOON + 600, 20)])


def test_damaged_chunk_costs_its_own_span_alone(caplog: pytest.LogCaptureFixture) -> None:
    stored(every_second(NOON, NOON + 1200), closed=[NOON + 1200, NOON], written=NOON + 1200)
    HistoryChunk.objects.filter(tier=SECONDS.number, start=NOON).update(data=b"\x01damaged")
    answer = of(NOON, NOON + 1200, 1200)
    assert answer.time[0] == NOON + 600
    assert "a chunk of the history is left out" in caplog.text


def test_unknown_source_has_no_buckets_and_unknown_metric_is_an_error() -> None:
    assert (of(NOON, NOON + 60, 60).time, of(NOON, NOON + 60, 60).gaps) == ([], [])
    with pytest.raises(KeyError):
        of(NOON, NOON + 60, 60, "quantum_flux")
    with pytest.raises(ValueError, match="the span is empty"):
        of(NOON, NOON, 60)


@given(st.integers(0, 2**33), st.integers(1, 4 * 365 * 86_400), st.integers(1, 5000))
def test_width_is_the_least_with_so_few_buckets(start: int, seconds: int, points: int) -> None:
    width = width_for(start, start + seconds, points)
    assert -(-(start + seconds) // width) - start // width <= points
