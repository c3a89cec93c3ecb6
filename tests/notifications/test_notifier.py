"""The notifier with real receivers: delivery at least once and in order; restarts, rate limits, back-off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitor.models import Channel, Delivery
from monitor.notifications import delivery_queue
from monitor.notifications import notifier as notifier_module
from monitor.notifications.notifier import Notifier
from monitor.notifications.outbox import GROUP_SECONDS
from monitor.notifications.senders import Sending
from tests.support.outbox_rows import NOON, Clock, a_channel, a_rule, fire, has, has_failed, resolve
from tests.support.receivers import Receiver
from tests.support.servers import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SEND = Sending().send


def summaries(receiver: Receiver) -> list[list[str]]:
    return [[event["summary"] for event in request.json["data"]["events"]] for request in receiver.requests]


def test_message_waits_for_its_group_and_is_sent_once(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    channel = a_channel(receiver.url)
    rule = a_rule()
    begin()
    fire(rule, 0, now=clock.now)
    fire(rule, 1, now=clock.pass_by(seconds=1))
    assert not receiver.requests
    clock.pass_by(seconds=GROUP_SECONDS)
    wait_for(has("sent"), "the message to be sent")
    assert summaries(receiver) == [["GPU 0 is lost", "GPU 1 is lost"]]
    channel.refresh_from_db()
    assert (channel.last_sent_at, channel.last_error) == (clock.now, "")


def test_every_event_arrives_in_order_despite_failures(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    receiver.answer = lambda number: 500 if number % 3 else 200
    a_channel(receiver.url)
    events = [fire(a_rule(), gpu, now=clock.pass_by(seconds=1)) for gpu in range(2)]
    for event in events:
        resolve(event, now=clock.pass_by(seconds=1))

    ticking = begin()

    def all_sent_as_time_passes() -> bool:
        clock.pass_by(seconds=2)
        ticking.wake()
        return has("sent", 4)()

    wait_for(all_sent_as_time_passes, "every message to be taken")
    arrived = [request for number, request in enumerate(receiver.requests, 1) if number % 3 == 0]
    kinds = [(request.json["type"], request.json["data"]["events"][0]["gpu_index"]) for request in arrived]
    assert kinds == [(f"alert.{kind}", gpu) for kind in ("fired", "resolved") for gpu in range(2)]


def test_failing_message_delays_its_own_channel_only(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    receiver.answer = lambda _number: 503
    other = Receiver()
    try:
        a_channel(receiver.url, name="broken")
        a_channel(other.url, name="well")
        for gpu in range(3):
            fire(a_rule(), gpu, now=clock.now)
        clock.pass_by(seconds=5)
        running = begin()
        other.wait_for(3)
        wait_for(has_failed, "the error to be noted")
        wait_for(lambda: running.results == {"sent": 3, "failed": 1}, "the attempts to be counted")
        wait_for(lambda: running.waiting == 3, "the waiting messages to be counted")
    finally:
        other.close()
    assert [request.headers["webhook-id"] for request in receiver.requests] == [
        str(Delivery.objects.filter(channel__name="broken").earliest("id").message_id)
    ]
    assert Channel.objects.get(name="broken").last_error == "The server answered 503 Service Unavailable."


def test_each_attempt_has_the_same_id_and_follows_the_back_off(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    receiver.answer = lambda _number: 500
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    running = begin()
    for attempt, seconds in enumerate((5, 10, 20, 40), 1):
        wait_for(
            lambda attempt=attempt: Delivery.objects.filter(status="waiting", attempts=attempt).exists(), "an attempt"
        )
        assert Delivery.objects.get().due_at == clock.now + timedelta(seconds=seconds)
        clock.pass_by(seconds=seconds)
        running.wake()
    receiver.wait_for(5)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


def test_back_off_grows_to_a_quarter_of_an_hour() -> None:
    assert [delivery_queue.back_off(attempts).total_seconds() for attempts in (1, 2, 3, 7, 8, 9, 5000)] == [
        5, 10, 20, 320, 640, 900, 900
    ]  # fmt: skip


def test_message_is_abandoned_after_a_day_and_logged(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = lambda number: 200 if number == 3 else 500
    channel = a_channel(receiver.url, name="ops")
    fire(a_rule(), 0, now=clock.now)
    fire(a_rule(), 1, now=clock.now)
    fire(a_rule(), 2, now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin()
    wait_for(lambda: Delivery.objects.filter(attempts=1, status="waiting").exists(), "the first attempt")
    Delivery.objects.filter(attempts=1).update(attempts=delivery_queue.ABANDONED_ATTEMPTS - 1)
    clock.pass_by(hours=24)
    wait_for(has("sent"), "what waited behind to be sent")
    assert list(Delivery.objects.order_by("id").values_list("status", flat=True)) == [
        "failed", "combined", "combined", "sent"
    ]  # fmt: skip
    assert summaries(receiver)[-1] == ["GPU 1 is lost", "GPU 2 is lost"]
    assert "to channel ops: delivery abandoned after 20 attempts: The server answered 500" in caplog.text
    channel.refresh_from_db()
    assert "S3CRET" not in caplog.text + channel.last_error


def test_time_while_the_machine_was_off_does_not_abandon_a_message(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    """The network may not be up yet when the machine boots."""
    receiver.answer = lambda number: 200 if number == 3 else 500
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin()
    for attempt, pause in ((1, {"days": 3}), (2, {"seconds": 10})):
        wait_for(
            lambda attempt=attempt: Delivery.objects.filter(status="waiting", attempts=attempt).exists(), "an attempt"
        )
        clock.pass_by(**pause)
    wait_for(has("sent"), "the third attempt")


def test_message_to_a_hanging_server_is_retried(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    receiver.go_on.clear()
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)

    def less_patient_at_first(delivery: Delivery, *, now: datetime) -> str | None:
        return Sending(webhook_seconds=0.3 if delivery.attempts == 1 else 20).send(delivery, now=now)

    begin(less_patient_at_first)
    wait_for(has_failed, "the time to be up")
    assert Delivery.objects.get().last_error == "The server did not answer within 0.3 s."
    receiver.go_on.set()
    clock.pass_by(seconds=5)
    wait_for(has("sent"), "the second attempt")


def test_stop_waits_for_the_message_being_sent(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    receiver.go_on.clear()
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    running = begin(Sending(webhook_seconds=20).send)
    receiver.wait_for(1)
    threading.Timer(0.1, receiver.go_on.set).start()
    running.stop(10)
    assert Delivery.objects.get().status == "sent"


def test_stopping_notifier_starts_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop can come during a poll: a message started then would be cut off and sent again."""
    a_channel()
    fire(a_rule(), now=NOON)
    stopping = Notifier(SEND, clock=lambda: NOON + timedelta(seconds=GROUP_SECONDS))
    real = delivery_queue.heads

    def told_meanwhile(**arguments: Any) -> list[delivery_queue.Head]:
        stopping.stop()
        return real(**arguments)

    monkeypatch.setattr(delivery_queue, "heads", told_meanwhile)
    stopping.look()
    assert Delivery.objects.values_list("status", "attempts").get() == ("waiting", 0)


def test_disabled_channel_keeps_its_messages(receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]) -> None:
    channel = a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    Channel.objects.update(is_enabled=False)
    clock.pass_by(minutes=5)
    running = begin()
    threading.Event().wait(0.2)
    assert not receiver.requests
    Channel.objects.filter(pk=channel.pk).update(is_enabled=True)
    running.wake()
    receiver.wait_for(1)


def test_review_runs_in_the_notifier_and_sends_what_a_mute_suppressed(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    a_channel(receiver.url)
    fire(a_rule(muted_until=clock.now + timedelta(minutes=10)), now=clock.now)
    begin()
    clock.pass_by(minutes=11)
    wait_for(lambda: Delivery.objects.exists(), "the message to be made")
    clock.pass_by(seconds=GROUP_SECONDS)
    receiver.wait_for(1)


def test_idle_notifier_queries_only_a_changed_database(clock: Clock, django_assert_num_queries: Any) -> None:
    idle = Notifier(SEND, clock=clock)
    idle.look()
    a_rule()
    with django_assert_num_queries(1):
        assert idle.look() == notifier_module.POLL_SECONDS
    for queries_are_due in (True, False):
        clock.pass_by(seconds=notifier_module.REVIEW_SECONDS)
        with CaptureQueriesContext(connection) as captured:
            assert idle.look() == notifier_module.POLL_SECONDS
        assert bool(captured) is queries_are_due


# ── The limit of messages per hour ────────────────────────────────────────────────────────────────────────────────────


def test_messages_beyond_the_limit_are_sent_later_in_one_digest(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    a_channel(receiver.url, messages_per_hour=2)
    running = begin()
    for gpu in range(2):
        fire(a_rule(), gpu, now=clock.now)
        clock.pass_by(seconds=GROUP_SECONDS)
        wait_for(has("sent", gpu + 1), "an ordinary message")
    for gpu in (2, 3, 4):
        fire(a_rule(), gpu, now=clock.pass_by(minutes=1))
    clock.pass_by(minutes=50)
    running.wake()
    threading.Event().wait(0.2)
    assert len(receiver.requests) == 2

    clock.pass_by(minutes=10)
    wait_for(has("sent", 3), "the digest")
    assert receiver.requests[-1].json["type"] == "alert.digest"
    assert summaries(receiver)[-1] == ["GPU 2 is lost", "GPU 3 is lost", "GPU 4 is lost"]
    assert "3 messages combined" in receiver.requests[-1].json["data"]["text"]
    assert list(Delivery.objects.filter(status="combined").values_list("sent_at", flat=True)) == [clock.now] * 3


def test_last_message_within_the_limit_includes_all_waiting_ones(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]
) -> None:
    a_channel(receiver.url, messages_per_hour=2)
    for gpu in range(5):
        fire(a_rule(), gpu, now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin()
    wait_for(has("sent", 2), "both messages")
    assert summaries(receiver) == [["GPU 0 is lost"], [f"GPU {gpu} is lost" for gpu in (1, 2, 3, 4)]]


def test_failed_digest_is_retried_unchanged(receiver: Receiver, clock: Clock, begin: Callable[..., Notifier]) -> None:
    receiver.answer = lambda number: 500 if number == 1 else 200
    a_channel(receiver.url, messages_per_hour=1)
    for gpu in range(2):
        fire(a_rule(), gpu, now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin()
    wait_for(lambda: Delivery.objects.filter(kind="digest", last_error__gt="").exists(), "the failed attempt")
    fire(a_rule(), 2, now=clock.now)
    clock.pass_by(seconds=5)
    wait_for(has("sent"), "the second attempt")
    assert summaries(receiver) == [["GPU 0 is lost", "GPU 1 is lost"]] * 2
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
