"""The notifier during its own faults: an unresponsive database, bugs, wrong clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet

from monitor.models import Delivery
from monitor.notifications import delivery_queue
from monitor.notifications import notifier as notifier_module
from monitor.notifications.notifier import Notifier
from monitor.notifications.outbox import GROUP_SECONDS
from tests.support.outbox_rows import NOON, Clock, a_channel, a_rule, fire, has, has_failed
from tests.support.receivers import Receiver
from tests.support.servers import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_notifier_waits_for_a_locked_database_and_logs_it_once(
    receiver: Receiver,
    clock: Clock,
    begin: Callable[..., Notifier],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    looks = iter(range(10_000))
    real = delivery_queue.heads

    def locked(**arguments: Any) -> Any:
        if next(looks) < 5:
            raise OperationalError("database is locked")
        return real(**arguments)

    monkeypatch.setattr(delivery_queue, "heads", locked)
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin()
    wait_for(has("sent"), "the message, once the lock is gone")
    assert caplog.text.count("database is locked") == 1
    assert "notification delivery resumed" in caplog.text


@pytest.mark.parametrize(
    "trouble", [OperationalError("database is locked"), InterfaceError("connection already closed")]
)
def test_outcome_that_cannot_be_written_is_written_later_and_no_message_is_sent_twice(
    receiver: Receiver,
    clock: Clock,
    begin: Callable[..., Notifier],
    monkeypatch: pytest.MonkeyPatch,
    trouble: Exception,
) -> None:
    """Regression: Django's InterfaceError is no DatabaseError; it ended the thread and left the message as being sent."""
    monkeypatch.setattr(notifier_module, "_RECORD_AGAIN_SECONDS", 0.01)
    tries = iter(range(10_000))
    real = delivery_queue.settle

    def in_trouble(*arguments: Any, **more: Any) -> None:
        if next(tries) < 5:
            raise trouble
        real(*arguments, **more)

    monkeypatch.setattr(delivery_queue, "settle", in_trouble)
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin()
    wait_for(has("sent"), "the outcome")
    assert len(receiver.requests) == 1


def test_claim_is_rolled_back_if_its_message_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: the message stayed marked as being sent until the next start."""
    a_channel()
    fire(a_rule())
    (head,) = delivery_queue.heads(now=NOON)
    real = QuerySet.get

    def unreadable(rows: QuerySet[Delivery], *arguments: Any, **more: Any) -> Delivery:
        if Delivery.objects.filter(status="sending").exists():
            raise OperationalError("disk I/O error")
        return real(rows, *arguments, **more)

    monkeypatch.setattr(QuerySet, "get", unreadable)
    with pytest.raises(OperationalError):
        delivery_queue.take(head, now=NOON)
    assert Delivery.objects.values_list("status", "attempts").first() == ("waiting", 0)


def test_failing_review_is_logged_once_and_blocks_no_message(
    receiver: Receiver,
    clock: Clock,
    begin: Callable[..., Notifier],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    reviews: list[datetime] = []

    def faulty(*, now: datetime) -> None:
        reviews.append(now)
        raise TypeError("no good")

    monkeypatch.setattr(notifier_module, "review", faulty)
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin()
    wait_for(has("sent"), "the message")
    clock.pass_by(seconds=15)
    wait_for(lambda: len(reviews) == 2, "another review")
    wait_for(lambda: clock.pass_by(seconds=15) and len(reviews) > 2, "the look after it")
    assert caplog.text.count("TypeError: no good") == 1
    assert "delivery resumed" not in caplog.text


def test_bug_costs_one_attempt_and_its_traceback_has_no_secrets(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier], caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(delivery: Delivery, *, now: Any) -> str | None:
        raise TypeError(f"no good: {delivery.channel.url}")

    a_channel(receiver.url)
    fire(a_rule(), now=clock.now)
    clock.pass_by(seconds=GROUP_SECONDS)
    begin(faulty)
    wait_for(has_failed, "the error")
    assert Delivery.objects.get().last_error == "The message could not be sent: TypeError (see the log)."
    assert "no good: http://127.0.0.1:" in caplog.text
    assert "S3CRET" not in caplog.text


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(days=3650)])
def test_message_of_a_clock_that_was_ahead_is_sent_at_once(
    receiver: Receiver, clock: Clock, begin: Callable[..., Notifier], ahead: timedelta
) -> None:
    a_channel(receiver.url)
    fire(a_rule(), now=clock.now + ahead)
    begin()
    receiver.wait_for(1)
