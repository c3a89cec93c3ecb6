"""The outbox: what is to be told to whom is written here, in the same transaction as the event that it is about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from monitor.alerts.silence import is_silent
from monitor.models import AlertEvent, AlertRule, Channel, Delivery
from monitor.rules.choices import SEVERITIES

GROUP_SECONDS = 3.0
"""A message waits so long for more events of its rule: many GPUs that fire together are told of in one."""


def tell(event: AlertEvent, *, now: datetime) -> bool:
    """Put into the outbox what there is to tell of an event that has just fired or resolved. Whether that was anything.

    Belongs into the transaction that saves the event; `now` is the wall clock's. What a muted rule or quiet hours keep
    back is told by monitor/notifications/reminders.py when they are over.
    """
    return _tell_resolved(event, now=now) if event.state == "resolved" else tell_fired(event, now=now)


def tell_fired(event: AlertEvent, *, now: datetime) -> bool:
    """Tell of a firing event, unless that was done before, its rule is silent now or no channel wants it."""
    return event.told_at is None and _tell(event, "fired", channels_now(event, now=now), now=now)


def channels_now(event: AlertEvent, *, now: datetime) -> list[Channel]:
    """Where a firing event may be told now: nowhere while its rule is silent."""
    rule = rule_of(event)
    return [] if is_silent(rule, now) else _channels_for(event, rule)


def remind(event: AlertEvent, *, every: timedelta, now: datetime) -> bool:
    """Tell once more of an event that still fires, on the channels that were told, have nothing of it waiting and got
    nothing of it for as long as `every`: a message may have waited for hours.
    """
    under_way = ("waiting", "sending")
    is_pending = Q(status__in=under_way) | Q(part_of__status__in=under_way)
    is_recent = Q(sent_at__gt=now - every, sent_at__lte=now)
    heard = Delivery.objects.filter(is_pending | is_recent, events=event)
    channels = _told_channels(event).filter(is_enabled=True).exclude(pk__in=heard.values("channel"))
    return _tell(event, "reminder", channels, now=now)


def rule_of(event: AlertEvent) -> AlertRule | None:
    """An event's rule as it is now, and not as the caller may have kept it; None when it was deleted."""
    return None if event.rule_id is None else AlertRule.objects.filter(pk=event.rule_id).first()


def _tell_resolved(event: AlertEvent, *, now: datetime) -> bool:
    """To those who were told that it fires; in silent hours it is written down and held. What is for a channel that is
    switched off waits there.
    """
    status = "held" if is_silent(rule_of(event), now) else "waiting"
    untold = _told_channels(event).exclude(
        pk__in=Delivery.objects.filter(events=event, kind="resolved").values("channel")
    )
    return _tell(event, "resolved", untold, now=now, status=status)


def _channels_for(event: AlertEvent, rule: AlertRule | None) -> list[Channel]:
    """The channels that the rule names, else those for all rules; of them the enabled ones that want this severity."""
    channels = list(rule.channels.all()) if rule is not None else []
    if not channels:
        channels = list(Channel.objects.filter(is_for_all_rules=True))
    rank = SEVERITIES.index
    return [each for each in channels if each.is_enabled and rank(each.minimum_severity) <= rank(event.severity)]


def _told_channels(event: AlertEvent) -> QuerySet[Channel]:
    """The channels that a message of its firing was made for, also those that were switched off since."""
    return Channel.objects.filter(deliveries__events=event, deliveries__kind="fired").distinct()


def _tell(event: AlertEvent, kind: str, channels: Iterable[Channel], *, now: datetime, status: str = "waiting") -> bool:
    channels = list(channels)
    if status == "waiting":
        # What silence held of this rule came first. The review may not have looked since the silence is over.
        Delivery.objects.filter(rule=event.rule_id, channel__in=channels, status="held").update(
            status="waiting", due_at=now
        )
    for channel in channels:
        _delivery(channel, kind, event, now=now, status=status).events.add(event)
    if channels:
        event.told_at = now
        event.save(update_fields=["told_at"])
    return bool(channels)


def _delivery(channel: Channel, kind: str, event: AlertEvent, *, now: datetime, status: str) -> Delivery:
    """The message that the event joins: one of its rule that is still open for more, else a new one."""
    # Where the database has row locks, one keeps the message from being taken away between here and the event's joining.
    open_ones = Delivery.objects.select_for_update().filter(
        channel=channel, rule=event.rule_id, kind=kind, status=status, attempts=0
    )
    if status == "waiting":
        open_ones = open_ones.filter(created_at__gt=now - timedelta(seconds=GROUP_SECONDS))
    newest = open_ones.order_by("-id").first()
    if newest is not None and not _is_told_later(event, newest):
        return newest
    return Delivery.objects.create(
        channel=channel,
        rule_id=event.rule_id,
        kind=kind,
        status=status,
        created_at=now,
        due_at=now + timedelta(seconds=GROUP_SECONDS),
    )


def _is_told_later(event: AlertEvent, delivery: Delivery) -> bool:
    """Whether a later message of the rule on the channel is about the event's subject: joining an earlier one would turn
    the order round, with an end before its beginning.
    """
    later = Delivery.objects.filter(channel=delivery.channel_id, rule=event.rule_id, id__gt=delivery.pk)
    return later.filter(events__host=event.host, events__subject=event.subject).exists()
