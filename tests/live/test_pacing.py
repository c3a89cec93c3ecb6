"""The rate limit, in virtual time: it must neither delay readings nor skip any that it allows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.live.hub import Hub
from monitor.live.pacing import TOLERANCE, Schedule
from monitor.telemetry.schema import Alert
from tests.live.scene import Feed, Readings, Received, until
from tests.support.virtual_time import run

JOINS = [0.0, 0.02, 0.15, 0.4, 0.6, 0.85, 0.99]
"""When the client joins after a reading, in intervals between readings."""


def grid(interval: float, count: int, *, jitter: float = 0.0) -> list[float]:
    """Times of readings, each random within `jitter` intervals after it is due. Every call returns the same times."""
    randomness = random.Random(7)
    return [(number + jitter * randomness.random()) * interval for number in range(1, count + 1)]


async def received(times: Iterable[float], *, rate_hz: float, joins_at: float, query: str = "") -> list[Received]:
    """What a single client receives of readings at these times."""
    hub = Hub(max_rate_hz=rate_hz)
    publishing = asyncio.ensure_future(Readings(hub).publish_at(*times))
    await until(joins_at)
    feed = Feed(hub, query=query)
    await publishing
    await asyncio.sleep(20)
    feed.disconnect()
    await feed.serving
    return feed.snapshots


def seqs(snapshots: list[Received]) -> list[int]:
    return [snapshot.seq for snapshot in snapshots]


# ── The schedule ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    gaps=st.lists(st.floats(0, 5) | st.just(0.0), min_size=2, max_size=60),
    interval=st.sampled_from([0.2, 1.0, 3.0]),
)
def test_any_span_of_time_has_at_most_two_messages_more_than_intervals(gaps: list[float], interval: float) -> None:
    schedule, now, sent = Schedule(interval), 0.0, []
    for gap in gaps:
        now += gap
        if schedule.seconds_until_due(now) == 0:
            schedule.count(now)
            sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= (sent[last] - sent[first]) / interval + 2 + TOLERANCE + 1e-6


def test_late_message_does_not_delay_the_next_ones() -> None:
    schedule = Schedule(1.0)
    for now in (1.0, 2.0, 3.7):
        assert schedule.seconds_until_due(now) == 0
        schedule.count(now)
    assert [schedule.seconds_until_due(now) for now in (4.0, 5.0)] == [0, 0]


# ── The hub ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("phase", JOINS)
@pytest.mark.parametrize("rate_hz", [1.0, 2.0, 5.0])
def test_readings_at_the_allowed_rate_are_sent_at_once_whenever_the_client_joins(rate_hz: float, phase: float) -> None:
    """Regression: the frame for a joining client counted, and delayed all later readings as much as itself."""
    times = grid(1 / rate_hz, 50)
    snapshots = run(received(times, rate_hz=rate_hz, joins_at=(3 + phase) / rate_hz))
    assert seqs(snapshots) == list(range(3, 51))
    assert all(snapshot.age == pytest.approx(0, abs=1e-6) for snapshot in snapshots[1:])


@pytest.mark.parametrize("phase", JOINS)
def test_readings_with_jitter_are_neither_delayed_nor_skipped(phase: float) -> None:
    times = grid(0.2, 500, jitter=0.9)
    snapshots = run(received(times, rate_hz=5, joins_at=0.2 * (3 + phase)))
    assert seqs(snapshots)[1:] == list(range(snapshots[0].seq + 1, 501))
    assert all(snapshot.age == pytest.approx(0, abs=1e-6) for snapshot in snapshots[1:])


def test_late_reading_does_not_delay_the_next_ones() -> None:
    times = grid(0.2, 50)
    times[10] += 0.12
    snapshots = run(received(times, rate_hz=5, joins_at=0.25))
    assert seqs(snapshots) == list(range(1, 51))
    assert all(snapshot.age == pytest.approx(0, abs=1e-6) for snapshot in snapshots[1:])


@pytest.mark.parametrize(("interval", "rate_hz"), [(0.1, 5), (0.15, 5), (0.19, 5), (0.7, 1), (0.1, 0.5)])
def test_readings_sent_at_a_limited_rate_are_new(interval: float, rate_hz: float) -> None:
    """Regression: a timer sent the newest reading, which was up to a whole interval old."""
    times = grid(interval, 400, jitter=0.1)
    snapshots = run(received(times, rate_hz=rate_hz, joins_at=0.25))[1:]
    assert median(snapshot.age for snapshot in snapshots) == pytest.approx(0, abs=1e-6)
    followed = [snapshot for snapshot in snapshots if snapshot.seq < 400]
    assert max(snapshot.age for snapshot in followed) == pytest.approx(0, abs=1e-6)
    assert len(followed) == pytest.approx(times[-1] * rate_hz, rel=0.03, abs=2)


def test_last_reading_above_the_rate_is_sent_within_two_intervals() -> None:
    snapshots = run(received(grid(0.1, 10), rate_hz=5, joins_at=0.05))
    assert snapshots[-1].seq == 10
    assert snapshots[-1].age <= 0.4


def test_alert_is_sent_at_once_and_delays_no_reading() -> None:
    async def scene() -> tuple[list[float], list[Received]]:
        hub = Hub(max_rate_hz=1)
        publishing = asyncio.ensure_future(Readings(hub).publish_at(*grid(1, 30)))
        feed = Feed(hub)
        await until(10.3)
        fired = Alert(id="a", rule="hot", severity="critical", host="dgx", summary="hot", started_at=1.0, fired_at=1.0)
        hub.set_alerts((fired,))
        await publishing
        await until(31)
        return [snapshot.at for snapshot in feed.snapshots if snapshot.seq == 10], feed.snapshots

    sent_at, snapshots = run(scene())
    assert sent_at == pytest.approx([10, 10.3])
    assert sorted(set(seqs(snapshots))) == list(range(1, 31))
    assert all(snapshot.age < 0.31 for snapshot in snapshots)


def test_higher_rate_applies_at_once() -> None:
    async def scene() -> list[Received]:
        hub = Hub(max_rate_hz=0.01)
        publishing = asyncio.ensure_future(Readings(hub).publish_at(*grid(1, 10)))
        feed = Feed(hub)
        await until(5.5)
        hub.set_max_rate(5)
        await publishing
        await until(11)
        return feed.snapshots

    assert seqs(run(scene())) == [1, 2, 5, 6, 7, 8, 9, 10]


# ── The feed's own rate ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("phase", JOINS)
@pytest.mark.parametrize(("interval", "hz"), [(1.0, 1), (0.5, 2), (0.2, 1), (0.3, 1)])
def test_feed_at_its_own_rate_sends_new_readings(interval: float, hz: float, phase: float) -> None:
    """Regression: it paused after each message, and then sent a reading that was half a second to a second old."""
    times = grid(interval, int(60 / interval), jitter=0.05)
    snapshots = run(received(times, rate_hz=30, joins_at=interval * (3 + phase), query=f"hz={hz}"))
    assert all(snapshot.age == pytest.approx(0, abs=1e-6) for snapshot in snapshots[1:-1])
    assert all(later.at - earlier.at > (1 - TOLERANCE - 0.01) / hz for earlier, later in pairwise(snapshots[:2]))
    assert len(snapshots) == pytest.approx(60 * hz, rel=0.05)


@pytest.mark.parametrize("phase", JOINS)
def test_feed_at_the_rate_of_the_readings_skips_at_most_the_first_one(phase: float) -> None:
    """The first message can be old but counts for the feed, so the next reading can come too early after it."""
    snapshots = run(received(grid(1, 60, jitter=0.1), rate_hz=30, joins_at=3 + phase, query="hz=1"))
    later = seqs(snapshots)[1:]
    assert later == list(range(later[0], 61))
    assert later[0] <= snapshots[0].seq + 2


def test_paced_feed_sends_a_reading_without_a_successor_too() -> None:
    snapshots = run(received([1.0, 1.5], rate_hz=30, joins_at=0.5, query="hz=1"))
    assert seqs(snapshots) == [1, 2]
    assert snapshots[1].age <= 1.5


def test_feed_that_requests_a_higher_rate_receives_it_at_once() -> None:
    """Regression: a pause of up to 100 seconds had to end first."""

    async def scene() -> list[Received]:
        hub = Hub(max_rate_hz=30)
        publishing = asyncio.ensure_future(Readings(hub).publish_at(*grid(1, 20)))
        feed = Feed(hub, query="hz=0.01")
        await until(5.5)
        feed.say('{"hz": 5}')
        await publishing
        await until(21)
        return feed.snapshots

    assert seqs(run(scene())) == [1, *range(5, 21)]
