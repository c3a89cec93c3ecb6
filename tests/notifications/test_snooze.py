"""What a snooze holds back: for its GPU only, and until it ends by itself."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from monitor.alerts import silence
from monitor.models import AlertRule, Delivery, Snooze
from monitor.notifications.messages import message_of
from monitor.notifications.reminders import review
from tests.support.outbox_rows import NOON, a_channel, a_rule, fire, resolve, told

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def fresh(rule: AlertRule) -> AlertRule:
    return AlertRule.objects.get(pk=rule.pk)


def test_alert_of_a_snoozed_gpu_is_not_sent_and_those_of_other_gpus_are() -> None:
    a_channel(name="ops")
    rule = a_rule()
    silence.set_until(rule, NOON + HOUR, gpu_uuid="GPU-3")
    fire(fresh(rule), 3)
    fire(fresh(rule), 4)
    assert told() == [("ops", "fired", "waiting", {4})]
    review(now=NOON + HOUR)
    assert told()[1:] == [("ops", "fired", "waiting", {3})]


def test_resolution_of_a_snoozed_gpu_waits_while_others_are_sent() -> None:
    a_channel(name="ops")
    rule = a_rule()
    first, second = fire(rule, 3), fire(rule, 4)
    silence.set_until(rule, NOON + HOUR, gpu_uuid="GPU-3")
    resolve(first, now=NOON + timedelta(minutes=5))
    resolve(second, now=NOON + timedelta(minutes=6))
    assert told()[1:] == [("ops", "resolved", "held", {3}), ("ops", "resolved", "waiting", {4})]
    review(now=NOON + timedelta(minutes=30))
    assert told()[1][2] == "held"
    review(now=NOON + HOUR)
    assert told()[1][2] == "waiting"


def test_reminders_stop_for_a_snoozed_gpu() -> None:
    a_channel(name="ops")
    rule = a_rule(remind_every_minutes=10)
    fire(rule, 3)
    Delivery.objects.update(status="sent", sent_at=NOON)
    silence.set_until(rule, NOON + HOUR, gpu_uuid="GPU-3")
    review(now=NOON + timedelta(minutes=30))
    assert len(told()) == 1
    review(now=NOON + HOUR)
    assert told()[1][1] == "reminder"


@pytest.mark.parametrize("uuid", ["GPU-3", ""])
def test_snooze_until_resolved_ends_with_the_last_alert_that_it_applies_to(uuid: str) -> None:
    a_channel(name="ops")
    rule = a_rule()
    first, other = fire(rule, 3), fire(rule, 4)
    silence.set_until(rule, None, gpu_uuid=uuid)
    resolve(first, now=NOON + HOUR)
    if not uuid:
        assert Snooze.objects.exists()
        resolve(other, now=NOON + HOUR)
        review(now=NOON + HOUR)
    assert not Snooze.objects.exists()
    assert {status for _, kind, status, _ in told() if kind == "resolved"} == {"waiting"}
    fire(fresh(rule), 3, now=NOON + 2 * HOUR)
    assert told()[-1] == ("ops", "fired", "waiting", {3})


def test_engine_learns_of_a_snooze_of_another_process() -> None:
    rule = a_rule()
    before = fresh(rule).updated_at
    silence.set_until(rule, None, gpu_uuid="GPU-3")
    assert fresh(rule).updated_at > before


@pytest.mark.parametrize(
    ("gpus", "kind", "scope"), [((3,), "fired", "gpu"), ((3, 4), "fired", "rule"), ((3,), "reminder", "gpu")]
)
def test_message_about_what_fires_has_a_link_to_snooze_it(gpus: tuple[int, ...], kind: str, scope: str) -> None:
    a_channel()
    rule = a_rule()
    events = [fire(rule, gpu) for gpu in gpus]
    Delivery.objects.update(kind=kind)
    links = message_of(Delivery.objects.get(), now=NOON, public_url="https://x.example/gpus/").links
    found = re.search(r"^Snooze: (https://x.example/gpus/alerts/(.+)/snooze\?key=\S+)$", links, re.MULTILINE)
    assert found is not None
    assert found[2] == str(events[0].pk)
    assert f".{scope}%3A" in found[1]


def test_other_messages_have_no_such_link() -> None:
    a_channel()
    event = fire(a_rule(), 3)
    assert message_of(Delivery.objects.get(), now=NOON).links == ""
    resolve(event, now=NOON)
    for delivery in Delivery.objects.all():
        assert "Snooze" not in message_of(delivery, now=NOON, public_url="https://x.example").links
