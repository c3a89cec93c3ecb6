"""Pages that ask before something is deleted have numbers, not rows: a channel has one message for each alert of months."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from monitor.models import AlertEvent, AlertEvidence, AlertRule, AlertState, Channel, Delivery
from tests.support.clients import holder_of, text
from tests.support.outbox_rows import NOON, a_channel, a_rule, an_event, fire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]

CHANNELS, RULES, ALERTS, DELIVERIES = (
    f"/admin/monitor/{name}/" for name in ("channel", "alertrule", "alertevent", "delivery")
)
MANY = 1100
"""More than SQLite takes parameters in a query, by Django's count: 999."""


def many_deliveries(channel: Channel) -> None:
    at = {"created_at": NOON, "due_at": NOON}
    Delivery.objects.bulk_create(Delivery(channel=channel, kind="fired", status="sent", **at) for _ in range(MANY))


def many_alerts(count: int = MANY) -> None:
    rule = a_rule()
    values = {"rule": rule, "rule_name": rule.name, "severity": "info", "state": "resolved", "host": "dgx"}
    AlertEvent.objects.bulk_create(
        AlertEvent(
            summary=f"alert {number}",
            started_at=NOON,
            fired_at=NOON + timedelta(seconds=number),
            resolved_at=NOON,
            **values,
        )
        for number in range(count)
    )


def test_channel_with_many_messages_is_deleted_after_a_small_page(root: Client) -> None:
    channel = a_channel(name="ops")
    fire(a_rule(), 3)
    digest = Delivery.objects.create(channel=channel, kind="digest", created_at=NOON, due_at=NOON)
    Delivery.objects.update(part_of=digest)
    many_deliveries(channel)
    page = root.get(f"{CHANNELS}{channel.pk}/delete/")
    assert len(page.content) < 20_000
    assert f"{MANY + 2} deliveries" in text(page)
    root.post(f"{CHANNELS}{channel.pk}/delete/", {"post": "yes"})
    assert (Channel.objects.count(), Delivery.objects.count(), AlertEvent.objects.count()) == (0, 0, 1)


def test_rule_is_deleted_with_its_states_and_keeps_its_alerts(root: Client) -> None:
    rule = a_rule(name="Too hot")
    event = an_event(rule, 3)
    AlertState.objects.bulk_create(AlertState(rule=rule, subject=str(number), state={}) for number in range(MANY))
    page = root.get(f"{RULES}{rule.pk}/delete/")
    assert len(page.content) < 20_000
    root.post(f"{RULES}{rule.pk}/delete/", {"post": "yes"})
    assert not AlertState.objects.filter(rule=rule).exists()
    event.refresh_from_db()
    assert (event.rule, event.rule_name) == (None, "Too hot")


def test_all_matching_alerts_are_deleted_after_a_small_page(root: Client) -> None:
    many_alerts()
    first = str(AlertEvent.objects.latest("fired_at").pk)
    asked = {"action": "delete_selected", "_selected_action": first, "select_across": "1"}
    page = root.post(ALERTS, asked)
    assert len(page.content) < 20_000
    assert f"{MANY} alerts" in text(page)
    root.post(ALERTS, {**asked, "post": "yes"})
    assert not AlertEvent.objects.exists()
    assert LogEntry.objects.count() == 1


@pytest.mark.slow
def test_evidence_is_counted_and_deleted_with_its_alerts(root: Client) -> None:
    many_alerts()
    AlertEvidence.objects.bulk_create(AlertEvidence(event=event, data=b"") for event in AlertEvent.objects.all())
    asked = {"action": "delete_selected", "_selected_action": "x", "select_across": "1"}
    assert f"{MANY} alerts {MANY} pieces of evidence" in text(root.post(ALERTS, asked))
    root.post(ALERTS, {**asked, "post": "yes"})
    assert not AlertEvidence.objects.exists()


def test_selected_alerts_only_are_deleted_and_logged_one_by_one(root: Client) -> None:
    many_alerts(5)
    keys = [str(key) for key in AlertEvent.objects.values_list("pk", flat=True)[:2]]
    page = root.post(ALERTS, {"action": "delete_selected", "_selected_action": keys}).content.decode()
    assert all(f'name="_selected_action" value="{key}"' in page for key in keys)
    root.post(ALERTS, {"action": "delete_selected", "_selected_action": keys, "post": "yes"})
    assert AlertEvent.objects.count() == 3
    assert LogEntry.objects.count() == 2


def test_firing_alerts_are_not_deleted_and_few_of_them_are_named(root: Client) -> None:
    many_alerts(60)
    AlertEvent.objects.update(state="firing")
    asked = {"action": "delete_selected", "_selected_action": "x", "select_across": "1"}
    said = text(root.post(ALERTS, asked))
    assert said.count("still firing: it can be deleted once it has resolved") == 20
    assert "40 more that still fire" in said
    root.post(ALERTS, {**asked, "post": "yes"})
    assert AlertEvent.objects.count() == 60


def test_user_with_a_long_record_is_deleted_after_a_small_page(root: Client) -> None:
    user = User.objects.create_user("long-serving")
    LogEntry.objects.bulk_create(LogEntry(user=user, action_flag=2, object_repr=str(number)) for number in range(MANY))
    page = root.get(f"/admin/auth/user/{user.pk}/delete/")
    assert len(page.content) < 20_000
    assert f"{MANY} log entries" in text(page)
    root.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=user.pk).exists()


def test_deletion_needs_the_permission_for_what_goes_along() -> None:
    channel = a_channel()
    many_deliveries(channel)
    client = holder_of("view_channel", "delete_channel")
    assert "delivery" in text(client.get(f"{CHANNELS}{channel.pk}/delete/"))
    assert client.post(f"{CHANNELS}{channel.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Channel.objects.exists()


def test_digest_of_many_alerts_is_one_line_in_the_list_of_messages(root: Client) -> None:
    channel = a_channel()
    many_alerts()
    digest = Delivery.objects.create(channel=channel, kind="digest", created_at=NOON, due_at=NOON)
    part = Delivery.objects.create(channel=channel, kind="fired", created_at=NOON, due_at=NOON, part_of=digest)
    part.events.set(AlertEvent.objects.all())
    page = root.get(DELIVERIES)
    assert f"alert 0 and {MANY - 1} more" in text(page)
    assert len(page.content) < 60_000


@pytest.mark.parametrize("key", ["x", "", "-1", "1.5", "9" * 40, "\0", "０x"])
@pytest.mark.parametrize("address", [CHANNELS, RULES, ALERTS, DELIVERIES])
@pytest.mark.parametrize("action", ["delete_selected", "mute", "try_again", "nope"])
def test_rows_that_cannot_exist_are_ignored(root: Client, address: str, key: str, action: str) -> None:
    before = AlertRule.objects.count()
    answer = root.post(address, {"action": action, "_selected_action": key, "post": "yes"})
    assert answer.status_code == 302
    assert AlertRule.objects.count() == before
