"""The review, which the notifier runs every few seconds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.models import Delivery
from monitor.notifications.reminders import review
from tests.support.outbox_rows import Clock, a_channel, a_rule, fire, told

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("minutes", [2**63 - 1, 5_000_000_000])
def test_overlong_interval_does_not_block_reminders_of_other_rules(minutes: int) -> None:
    """Regression: a mistyped number in the form raised an error that ended the review before later reminders."""
    a_channel(name="a")
    clock = Clock()
    fire(a_rule(name="never", remind_every_minutes=minutes), 0)
    clock.pass_by(seconds=1)
    fire(a_rule(name="often", remind_every_minutes=30), 1)
    Delivery.objects.update(status="sent")
    review(now=clock.pass_by(minutes=31))
    assert [(kind, gpus) for _, kind, _, gpus in told() if kind == "reminder"] == [("reminder", {1})]


def test_reminder_of_a_clock_that_was_ahead_is_due_at_once() -> None:
    """Else there would be none until that time has come again."""
    a_channel()
    clock = Clock()
    event = fire(a_rule(remind_every_minutes=30))
    Delivery.objects.update(status="sent", sent_at=clock.now)
    type(event).objects.update(told_at=clock.now + timedelta(days=400))
    review(now=clock.pass_by(minutes=31))
    assert [kind for _, kind, *_ in told()] == ["fired", "reminder"]
