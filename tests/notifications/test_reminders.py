"""What the notifier looks through every few seconds."""

from __future__ import annotations

import pytest

from monitor.models import Delivery
from monitor.notifications.reminders import review
from tests.support.outbox_rows import Clock, a_channel, a_rule, fire, told

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("minutes", [2**63 - 1, 5_000_000_000])
def test_an_interval_longer_than_time_itself_keeps_no_other_rule_from_reminding(minutes: int) -> None:
    """A slip of a number in the form was an error that ended the review before all reminders after it."""
    a_channel(name="a")
    clock = Clock()
    fire(a_rule(name="never", remind_every_minutes=minutes), 0)
    clock.pass_by(seconds=1)
    fire(a_rule(name="often", remind_every_minutes=30), 1)
    Delivery.objects.update(status="sent")
    review(now=clock.pass_by(minutes=31))
    assert [(kind, gpus) for _, kind, _, gpus in told() if kind == "reminder"] == [("reminder", {1})]
