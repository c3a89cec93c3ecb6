"""What is put into the outbox, for which channels, and what mutes and quiet hours suppress."""

from __future__ import annotations

from sqlite3 import SQLITE_LIMIT_VARIABLE_NUMBER

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from monitor.alerts.store import forget_before
from monitor.models import Delivery
from monitor.notifications import delivery_queue, outbox
from monitor.notifications.messages import events_of, message_of
from monitor.notifications.reminders import review
from tests.support.outbox_rows import NOON, Clock, a_channel, a_rule, fire, resolve, told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def utc(settings: Settings) -> None:
    """A fixed time zone, independent of the machine that runs the tests."""
    settings.TIME_ZONE = "UTC"


FIRED, RESOLVED, REMINDER = "fired", "resolved", "reminder"


def sent() -> None:
    Delivery.objects.exclude(status="combined").update(status="sent")


def test_rule_without_channels_uses_the_default_channels() -> None:
    a_channel(name="all")
    a_channel(name="named only", is_for_all_rules=False)
    a_channel(name="off", is_enabled=False)
    event = fire(a_rule())
    assert told() == [("all", FIRED, "waiting", {0})]
    assert event.told_at == NOON


def test_rule_with_channels_uses_only_those() -> None:
    a_channel(name="all")
    rule = a_rule()
    rule.channels.add(a_channel(name="ops", is_for_all_rules=False), a_channel(name="off", is_enabled=False))
    fire(rule)
    assert told() == [("ops", FIRED, "waiting", {0})]


@pytest.mark.parametrize(
    ("severity", "names"),
    [("info", ["info"]), ("warning", ["info", "warning"]), ("critical", ["critical", "info", "warning"])],
)
def test_channel_receives_alerts_from_its_minimum_severity_up(severity: str, names: list[str]) -> None:
    for least in ("info", "warning", "critical"):
        a_channel(name=least, minimum_severity=least)
    fire(a_rule(severity=severity))
    assert sorted(name for name, *_ in told()) == names


def test_gpus_that_fire_the_same_rule_within_seconds_share_a_message() -> None:
    a_channel(name="a")
    rule, other, clock = a_rule(), a_rule(), Clock()
    for gpu in (0, 1, 2):
        fire(rule, gpu, now=clock.pass_by(seconds=0.9))
    fire(other, 3, now=clock.now)
    fire(rule, 4, now=clock.pass_by(seconds=outbox.GROUP_SECONDS))
    assert told() == [
        ("a", FIRED, "waiting", {0, 1, 2}),
        ("a", FIRED, "waiting", {3}),
        ("a", FIRED, "waiting", {4}),
    ]


def test_message_accepts_no_events_after_its_first_attempt() -> None:
    a_channel(name="a")
    rule = a_rule()
    fire(rule, 0)
    Delivery.objects.update(attempts=1)
    fire(rule, 1)
    assert [gpus for *_, gpus in told()] == [{0}, {1}]


def test_alert_that_fires_again_at_once_is_sent_after_its_resolution() -> None:
    """If it joined its first message, the last message would say that it is resolved."""
    a_channel(name="a")
    rule, clock = a_rule(), Clock()
    first = fire(rule, 0, now=clock.now)
    resolve(first, now=clock.pass_by(seconds=1))
    fire(rule, 1, now=clock.now)
    fire(rule, 0, now=clock.pass_by(seconds=1))
    assert told() == [
        ("a", FIRED, "waiting", {0, 1}),
        ("a", RESOLVED, "waiting", {0}),
        ("a", FIRED, "waiting", {0}),
    ]


def test_resolution_is_never_sent_before_its_alert() -> None:
    """GPU 1 resolves while the resolution of GPU 0 waits for its group, and before the alert of GPU 1 is sent."""
    a_channel(name="a")
    rule, clock = a_rule(), Clock()
    first = fire(rule, 0, now=clock.now)
    resolve(first, now=clock.pass_by(seconds=2.5))
    second = fire(rule, 1, now=clock.pass_by(seconds=1))
    resolve(second, now=clock.pass_by(seconds=1))
    assert [(kind, gpus) for _, kind, _, gpus in told()] == [
        (FIRED, {0}), (RESOLVED, {0}), (FIRED, {1}), (RESOLVED, {1})
    ]  # fmt: skip


def test_resolution_goes_to_the_channels_that_received_the_alert() -> None:
    a_channel(name="told")
    late = Clock()
    event = fire(a_rule())
    a_channel(name="newer")
    resolve(event, now=late.pass_by(minutes=2))
    assert told() == [("told", FIRED, "waiting", {0}), ("told", RESOLVED, "waiting", {0})]
    assert event.told_at == late.now


def test_channel_disabled_meanwhile_queues_the_resolution_and_no_new_alert() -> None:
    channel, clock = a_channel(name="a"), Clock()
    rule = a_rule(remind_every_minutes=30)
    event = fire(rule, 0)
    sent()
    type(channel).objects.update(is_enabled=False)
    review(now=clock.pass_by(hours=1))
    resolve(event, now=clock.now)
    fire(rule, 1, now=clock.now)
    assert told() == [("a", FIRED, "sent", {0}), ("a", RESOLVED, "waiting", {0})]


def test_alert_is_sent_once() -> None:
    a_channel(name="a")
    event = fire(a_rule())
    assert outbox.enqueue(event, now=NOON) is False
    assert told() == [("a", FIRED, "waiting", {0})]


def test_resolution_is_sent_once() -> None:
    a_channel(name="a")
    event = fire(a_rule())
    resolve(event, now=NOON)
    assert outbox.enqueue(event, now=NOON) is False
    assert [kind for _, kind, *_ in told()] == [FIRED, RESOLVED]


@pytest.mark.parametrize("is_in_a_digest", [False, True])
def test_resolution_is_sent_after_any_duration(is_in_a_digest: bool) -> None:
    """Regression: the alert's message was deleted by retention, and with it the recipients of the resolution."""
    channel = a_channel(name="a")
    clock = Clock()
    event = fire(a_rule())
    sent()
    if is_in_a_digest:
        digest = Delivery.objects.create(
            channel=channel, kind="digest", status="sent", created_at=clock.now, due_at=clock.now
        )
        Delivery.objects.filter(kind=FIRED).update(status="combined", part_of=digest)
    forget_before(clock.pass_by(days=100).timestamp(), days=90)
    resolve(event, now=clock.now)
    assert told()[-1] == ("a", RESOLVED, "waiting", {0})

    sent()
    forget_before(clock.pass_by(days=100).timestamp(), days=90)
    assert told() == []


def test_resolution_caused_by_deleting_the_rule_is_sent_too() -> None:
    a_channel(name="a")
    rule = a_rule()
    event = fire(rule)
    rule.delete()
    event.refresh_from_db()
    resolve(event, now=NOON, because="the rule was deleted")
    assert told()[-1] == ("a", RESOLVED, "waiting", {0})


def test_alert_that_fires_and_resolves_while_muted_is_never_sent() -> None:
    a_channel()
    clock = Clock()
    event = fire(a_rule(muted_until=clock.now.replace(hour=13)))
    assert event.told_at is None
    resolve(event, now=clock.pass_by(minutes=1))
    review(now=clock.pass_by(hours=3))
    assert told() == []


def test_alert_still_firing_after_the_mute_is_sent_then() -> None:
    a_channel(name="a")
    clock = Clock()
    event = fire(a_rule(muted_until=clock.now.replace(hour=13)))
    review(now=clock.pass_by(minutes=59))
    assert told() == []
    review(now=clock.pass_by(minutes=1))
    assert told() == [("a", FIRED, "waiting", {0})]
    event.refresh_from_db()
    assert event.told_at == clock.now


def test_current_mute_applies_even_if_the_engine_holds_an_older_rule() -> None:
    a_channel()
    rule = a_rule()
    type(rule).objects.update(muted_until=NOON.replace(hour=13))
    assert fire(rule).told_at is None


def test_reminder_is_sent_at_each_interval_until_the_alert_is_acknowledged() -> None:
    a_channel(name="a")
    clock = Clock()
    rule = a_rule(remind_every_minutes=30)
    event = fire(rule)
    sent()
    review(now=clock.pass_by(minutes=29))
    assert len(told()) == 1
    for _ in range(2):
        review(now=clock.pass_by(minutes=30))
        review(now=clock.pass_by(seconds=15))
        sent()
    assert [kind for _, kind, *_ in told()] == [FIRED, REMINDER, REMINDER]

    type(event).objects.update(acknowledged_at=clock.now)
    review(now=clock.pass_by(hours=2))
    assert len(told()) == 3


def test_alerts_without_a_channel_cost_no_extra_queries() -> None:
    rule = a_rule()
    counts = []
    for gpus in (range(1), range(1, 20)):
        for gpu in gpus:
            fire(rule, gpu)
        with CaptureQueriesContext(connection) as queries:
            review(now=NOON)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("silence", [{"muted_until": NOON.replace(hour=20)}, {"quiet_hours": "12:00-20:00"}])
def test_silenced_rule_sends_no_reminder(silence: dict[str, object]) -> None:
    a_channel()
    rule = a_rule(remind_every_minutes=1)
    fire(rule)
    sent()
    type(rule).objects.update(**silence)
    review(now=NOON.replace(hour=15))
    assert len(told()) == 1


def test_unsent_alert_has_no_reminder() -> None:
    a_channel()
    fire(a_rule(remind_every_minutes=1))
    review(now=NOON.replace(hour=15))
    assert len(told()) == 1


def test_reminder_interval_starts_when_the_previous_message_arrived() -> None:
    """After five hours without a response from the channel, a reminder does not follow the alert at once."""
    a_channel(name="a")
    clock = Clock()
    fire(a_rule(remind_every_minutes=30))
    Delivery.objects.update(status="sent", sent_at=clock.pass_by(hours=5))
    review(now=clock.pass_by(minutes=29))
    assert len(told()) == 1
    review(now=clock.pass_by(minutes=1))
    assert [kind for _, kind, *_ in told()] == [FIRED, REMINDER]


def test_digest_holds_any_number_of_messages() -> None:
    """SQLite allows 32,766 values in a statement; a flapping rule makes more messages in a day. The limit here is 20."""
    channel, clock = a_channel(name="a", messages_per_hour=1), Clock()
    for gpu in range(30):
        fire(a_rule(), gpu, now=clock.pass_by(seconds=4))
    connection.ensure_connection()
    most = connection.connection.setlimit(SQLITE_LIMIT_VARIABLE_NUMBER, 20)
    try:
        (head,) = delivery_queue.heads(now=clock.now)
        digest = delivery_queue.take(head, now=clock.now)
        assert digest is not None
        text = message_of(digest, now=clock.now).text
        assert [event.gpu_index for event in events_of(digest)] == [*range(30)]
    finally:
        connection.connection.setlimit(SQLITE_LIMIT_VARIABLE_NUMBER, most)
    assert text.startswith("· GPU 0 is lost (dgx-07)\n· GPU 1 is lost (dgx-07)\n")
    assert "· GPU 19 is lost (dgx-07)\nand 10 more\n\n30 messages combined" in text
    assert channel.deliveries.filter(status="combined", part_of=digest).count() == 30


def test_reminders_of_one_rule_share_a_message() -> None:
    a_channel(name="a")
    rule = a_rule(remind_every_minutes=10)
    for gpu in (0, 1):
        fire(rule, gpu)
    sent()
    review(now=NOON.replace(hour=13))
    assert told()[1:] == [("a", REMINDER, "waiting", {0, 1})]
