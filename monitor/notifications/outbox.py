"""The outbox: which message goes to which channel, written in the same transaction as its event."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from monitor.alerts.silence import end_with, is_rule_silent, is_silent
from monitor.models import AlertEvent, AlertRule, Channel, Delivery
from monitor.rules.choices import SEVERITIES

GROUP_SECONDS = 3.0
"""How long a message waits for more events of its rule, so that GPUs that fire together share a message."""


def enqueue(event: AlertEvent, *, now: datetime) -> bool:
    """Add the messages of an event that has just fired or resolved. Whether there are any.

    Call it in the transaction that saves the event; `now` is wall-clock time. monitor/notifications/reminders.py adds later what
    a muted rule or quiet hours suppress now.
    """
    if event.state != "resolved":
        return enqueue_fired(event, now=now)
    end_with(event)
    return _add_resolved(event, now=now)


def enqueue_fired(event: AlertEvent, *, now: datetime) -> bool:
    """Add the messages of a firing event, unless it has some already, its rule is silent, or no channel wants it."""
    return event.told_at is None and _add(event, "fired", channels_now(event, now=now), now=now)


def channels_now(event: AlertEvent, *, now: datetime) -> list[Channel]:
    """The channels for a firing event; none while its rule is silent."""
    rule = rule_of(event)
    return [] if is_silent(rule, now, event.gpu_uuid, event.host_id) else channels_for(event, rule)


def remind(event: AlertEvent, *, every: timedelta, now: datetime) -> bool:
    """Add reminders of an event that still fires, on the channels that got it, have no message of it waiting, and sent none
    within `every` (a message can have waited for hours).
    """
    under_way = ("waiting", "sending")
    is_pending = Q(status__in=under_way) | Q(part_of__status__in=under_way)
    is_recent = Q(sent_at__gt=now - every, sent_at__lte=now)
    reminded = Delivery.objects.filter(is_pending | is_recent, events=event)
    channels = _channels_of(event).filter(is_enabled=True).exclude(pk__in=reminded.values("channel"))
    return _add(event, "reminder", channels, now=now)


def rule_of(event: AlertEvent) -> AlertRule | None:
    """An event's rule as stored now; None if it was deleted."""
    return None if event.rule_id is None else AlertRule.objects.filter(pk=event.rule_id).first()


def _add_resolved(event: AlertEvent, *, now: datetime) -> bool:
    """On the channels that got the firing message; held while the rule is silent. On a disabled channel it waits."""
    status = "held" if is_silent(rule_of(event), now, event.gpu_uuid, event.host_id) else "waiting"
    missing = _channels_of(event).exclude(
        pk__in=Delivery.objects.filter(events=event, kind="resolved").values("channel")
    )
    return _add(event, "resolved", missing, now=now, status=status)


def channels_for(event: AlertEvent, rule: AlertRule | None) -> list[Channel]:
    """The rule's own channels, else the default channels; of these, the enabled ones that accept this severity."""
    channels = list(rule.channels.all()) if rule is not None else []
    if not channels:
        channels = list(Channel.objects.filter(is_for_all_rules=True))
    rank = SEVERITIES.index
    return [each for each in channels if each.is_enabled and rank(each.minimum_severity) <= rank(event.severity)]


def _channels_of(event: AlertEvent) -> QuerySet[Channel]:
    """The channels with a message of its firing, including those disabled since."""
    return Channel.objects.filter(deliveries__events=event, deliveries__kind="fired").distinct()


def _add(event: AlertEvent, kind: str, channels: Iterable[Channel], *, now: datetime, status: str = "waiting") -> bool:
    channels = list(channels)
    if status == "waiting":
        # Messages of this rule that were held come first. The review may not have run since the silence ended.
        release_held(now=now, rule=event.rule_id, channel__in=channels)
    for channel in channels:
        _delivery(channel, kind, event, now=now, status=status).events.add(event)
    if channels:
        event.told_at = now
        event.save(update_fields=["told_at"])
    return bool(channels)


def release_held(*, now: datetime, **which: Any) -> None:
    """Send the held messages, of those that match the given fields, whose alerts are no longer silent."""
    held = Delivery.objects.filter(status="held", **which).select_related("rule").order_by("id")
    for delivery in held:
        subjects = set(delivery.events.values_list("gpu_uuid", "host_id")) or {("", "")}
        if not any(is_silent(delivery.rule, now, uuid, host_id) for uuid, host_id in subjects):
            Delivery.objects.filter(pk=delivery.pk, status="held").update(status="waiting", due_at=now)


def _delivery(channel: Channel, kind: str, event: AlertEvent, *, now: datetime, status: str) -> Delivery:
    """The message that the event joins: an unsent one of its rule that still accepts events, else a new one."""
    # On databases with row locks, the lock keeps the notifier from claiming the message before the event has joined.
    open_ones = Delivery.objects.select_for_update().filter(
        channel=channel, rule=event.rule_id, kind=kind, status=status, attempts=0
    )
    if status == "held" and (rule := rule_of(event)) is not None and not is_rule_silent(rule, now):
        open_ones = open_ones.none()  # only its GPU or host is snoozed: the others may be so for longer
    if status == "waiting":
        open_ones = open_ones.filter(created_at__gt=now - timedelta(seconds=GROUP_SECONDS))
    newest = open_ones.order_by("-id").first()
    if newest is not None and not _has_later_message(event, newest):
        return newest
    return Delivery.objects.create(
        channel=channel,
        rule_id=event.rule_id,
        kind=kind,
        status=status,
        created_at=now,
        due_at=now + timedelta(seconds=GROUP_SECONDS),
    )


def _has_later_message(event: AlertEvent, delivery: Delivery) -> bool:
    """Whether a later message of the rule on the channel has the event's subject. Joining an earlier message would then
    reverse the order, with a resolution before its firing.
    """
    later = Delivery.objects.filter(channel=delivery.channel_id, rule=event.rule_id, id__gt=delivery.pk)
    return later.filter(events__host=event.host, events__host_id=event.host_id, events__subject=event.subject).exists()
