"""An engine dies, and another one continues from the database and the stream: as if one engine had judged every reading once."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import OperationalError

from monitor.alerts.host_alerts import SETTLED_SECONDS
from monitor.alerts.unwritten import MOST_AT_ONCE
from monitor.models import AlertEvent, AlertPosition, AlertRule
from monitor.rules.host_contact import HostContact
from monitor.telemetry.schema import Gpu, Xid
from tests.alerts.engine_scene import COOL, HOT, Scene, rule
from tests.support.snapshots import gpu

pytestmark = pytest.mark.django_db(transaction=True)

BEGAN = 1_000_000.0


class Stream(Scene):
    """An engine that reads one host from a stream."""

    def __init__(self) -> None:
        self.sent: list[list[Gpu]] = []
        """By position, which begins with 1; the clock of the first is BEGAN."""
        super().__init__()
        self.contacts = [HostContact("a", "node-a", ("lab",), False, None)]
        self.is_away = False
        self.dies_after: int | None = None
        """So many messages."""
        self.enqueue = self.put

    def put(self, event: AlertEvent, **_given: Any) -> None:
        if self.is_away or len(self.told) == self.dies_after:
            raise OperationalError("away")
        self.told.append((event.state, event.summary))

    def reads(self, *gpus: Gpu) -> None:
        """The next reading, a second after the last one."""
        self.sent.append([*gpus])
        self.now = BEGAN + len(self.sent)
        self._judge(len(self.sent), is_repeated=False)

    def takes_over(self) -> None:
        """A new engine reads what the stream has; the one before has ended without a word."""
        self.is_away, self.dies_after = False, None
        self.restarted()
        for position in range(1, len(self.sent) + 1):
            self._judge(position, is_repeated=True)

    def _judge(self, position: int, *, is_repeated: bool) -> None:
        at = BEGAN + position
        gpus = self.sent[position - 1]
        self.arrives("a", *gpus, position=position, is_repeated=is_repeated, time=at, sampled_at=at)
        self.engine.work()


@pytest.fixture
def stream() -> Stream:
    AlertRule.objects.all().delete()
    return Stream()


def xid(at: float) -> Gpu:
    return gpu(xids=(Xid(code=79, count=1, last_at=at),))


def events() -> list[dict[str, Any]]:
    fields = ("rule_name", "subject", "state", "started_at", "fired_at", "resolved_at", "value", "worst_value")
    return list(AlertEvent.objects.order_by("fired_at", "rule_name", "subject").values(*fields))


def test_alert_that_was_judged_but_not_written_is_opened_once_by_the_next_engine(stream: Stream) -> None:
    rule(name="Xid", kind="xid", metric="", comparator="", threshold=None, for_seconds=None)
    stream.reads(gpu(xids=()))
    stream.is_away = True
    stream.reads(xid(BEGAN + 2))
    assert stream.open == ["GPU 0 reported Xid 79: the GPU has fallen off the bus"]
    assert not AlertEvent.objects.exists()
    stream.takes_over()
    stream.reads(xid(BEGAN + 2))
    assert [state for state, _ in stream.told] == ["firing", "resolved"]
    assert [event["fired_at"].timestamp() for event in events()] == [BEGAN + 2]


def test_alert_that_was_written_is_neither_opened_nor_sent_again(stream: Stream) -> None:
    rule(name="Xid", kind="xid", metric="", comparator="", threshold=None, for_seconds=None)
    stream.reads(gpu(xids=()))
    stream.reads(xid(BEGAN + 2))
    before = [*stream.told]
    assert AlertPosition.objects.get() == AlertPosition(host_id="a", position=2)
    stream.takes_over()
    assert (stream.told, AlertEvent.objects.count()) == (before, 1)
    stream.reads(xid(BEGAN + 2))
    stream.takes_over()
    assert [state for state, _ in stream.told] == ["firing", "resolved"]


def test_readings_after_the_last_of_the_stream_are_judged_whatever_their_position(stream: Stream) -> None:
    """Redis lost the stream and began another, and its clock is behind."""
    rule(for_seconds=0)
    stream.reads(COOL)
    AlertPosition.objects.create(host_id="a", position=1000)
    stream.restarted()
    stream.reads(HOT)
    assert AlertPosition.objects.get().position == 2
    assert len(events()) == 1


def test_alert_of_a_rule_for_a_tag_continues_before_the_first_tick(stream: Stream) -> None:
    rule(for_seconds=0, hosts="tag:lab")
    stream.reads(COOL)
    stream.goes(1, COOL)
    stream.reads(HOT)
    stream.takes_over()
    stream.reads(HOT)
    assert [state for state, _ in stream.told] == ["firing"]


def test_events_of_a_host_are_written_together_with_its_position(stream: Stream) -> None:
    rule(for_seconds=0)
    stream.dies_after = MOST_AT_ONCE + 1
    stream.reads(*[gpu(index, temperature_celsius=95) for index in range(2 * MOST_AT_ONCE)])
    assert (AlertEvent.objects.count(), AlertPosition.objects.count()) == (0, 0)
    stream.takes_over()
    assert (AlertEvent.objects.count(), len(stream.open)) == (2 * MOST_AT_ONCE, 2 * MOST_AT_ONCE)


def test_alert_keeps_its_worst_value_and_timer_if_another_one_moves_the_position(stream: Stream) -> None:
    rule(for_seconds=0, clear_for_seconds=2, clear_threshold=80)
    rule(
        name="errors", kind="rise", metric="gpu.ecc_uncorrected_volatile", comparator="", threshold=1, for_seconds=None
    )

    def reads(temperature: float, errors: int) -> None:
        stream.reads(gpu(temperature_celsius=temperature, ecc_uncorrected_volatile=errors))

    for temperature, errors in ((95, 0), (101, 0), (95, 1)):
        reads(temperature, errors)
    stream.takes_over()
    for temperature, errors in ((75, 1), (85, 2)):
        reads(temperature, errors)
    stream.takes_over()
    reads(75, 2)
    reads(75, 2)
    assert AlertEvent.objects.get(rule_name="hot").state == "firing"
    reads(75, 2)
    hot = AlertEvent.objects.get(rule_name="hot")
    assert (hot.state, hot.worst_value) == ("resolved", 101)


def test_readings_that_were_late_at_first_move_no_alert(stream: Stream) -> None:
    """It looks as if the host's clock were set: the first reading is old, and those that follow are not."""
    rule(for_seconds=0)
    for _ in range(20):
        stream.reads(HOT)
    stream.takes_over()
    for _ in range(int(SETTLED_SECONDS) + 2):
        stream.reads(HOT)
    assert AlertEvent.objects.get().fired_at.timestamp() == BEGAN + 1


@pytest.mark.parametrize("seed", range(4))
def test_engines_that_die_at_any_time_find_what_one_engine_finds(stream: Stream, seed: int) -> None:
    rule(name="hot", for_seconds=5, clear_for_seconds=3, clear_threshold=80)
    rule(name="peak", for_seconds=0, threshold=99)
    rule(name="Xid", kind="xid", metric="", comparator="", threshold=None, for_seconds=None)
    rule(
        name="errors", kind="rise", metric="gpu.ecc_uncorrected_volatile", comparator="", threshold=1, for_seconds=None
    )
    chance = random.Random(seed)
    readings = [*_weather(chance)]
    for reading in readings:
        stream.reads(reading)
    expected, told = events(), [*stream.told]
    assert len({event["rule_name"] for event in expected}) == 4
    AlertEvent.objects.all().delete()
    AlertPosition.objects.all().delete()
    for each in AlertRule.objects.all():
        each.states.all().delete()
    again = Stream()
    for reading in readings:
        again.reads(reading)
        if chance.random() < 0.1:
            again.is_away = True  # from the next reading on
        if chance.random() < 0.15:
            again.takes_over()
    again.takes_over()
    assert events() == expected
    assert again.told == told


def _weather(chance: random.Random) -> Any:
    """Two minutes of a GPU that gets hot and cool again, and has errors."""
    temperature, errors, xids = 75.0, 0, ()
    for second in range(1, 121):
        temperature = min(102.0, max(60.0, temperature + chance.uniform(-8, 8)))
        errors += chance.random() < 0.05
        if chance.random() < 0.05:
            xids = (Xid(code=chance.choice([31, 79]), count=1, last_at=BEGAN + second),)
        yield gpu(temperature_celsius=round(temperature), ecc_uncorrected_volatile=errors, xids=xids)
