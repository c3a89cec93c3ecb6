"""Reminders, and what mute and quiet hours delayed. The notifier calls this every few seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from monitor.alerts.silence import is_silent
from monitor.models import AlertEvent, AlertRule, Channel, Delivery
from monitor.notifications import outbox


def review(*, now: datetime) -> None:
    """1. Add messages of firing events that got none because their rule was muted or in quiet hours.
    2. Release held messages whose rule is no longer silent.
    3. Add reminders of events that still fire, are not acknowledged, and were last sent long enough ago.
    """
    _add_delayed(now)
    outbox.release_held(now=now)
    _remind(now)


def depends_on_time() -> bool:
    """Whether a later review, or the weekly report, can find something to do even if nothing changes in the database."""
    waiting = (
        AlertEvent.objects.filter(state="firing"),
        Delivery.objects.filter(status="held"),
        Channel.objects.filter(is_enabled=True, is_for_weekly_report=True),
    )
    return any(rows.exists() for rows in waiting)


def _add_delayed(now: datetime) -> None:
    unsent = AlertEvent.objects.filter(state="firing", told_at=None).order_by("fired_at")
    rules = AlertRule.objects.filter(pk__in=unsent.order_by().values("rule")).prefetch_related("snoozes").in_bulk()
    is_wanted: dict[tuple[int | None, str], bool] = {}
    for seen in unsent:
        # Checked first without a transaction, which would take the database's only write lock.
        rule, alike = rules.get(seen.rule_id or 0), (seen.rule_id, seen.severity)
        if is_silent(rule, now, seen.gpu_uuid, seen.host_id):
            continue
        if alike not in is_wanted:
            is_wanted[alike] = bool(outbox.channels_for(seen, rule))
        if not is_wanted[alike]:
            continue
        with transaction.atomic():
            # Read again: it may have resolved, and what resolves in silence is never sent.
            event = unsent.select_for_update().filter(pk=seen.pk).first()
            if event is not None:
                outbox.enqueue_fired(event, now=now)


def _remind(now: datetime) -> None:
    reminded = AlertEvent.objects.filter(
        state="firing", acknowledged_at=None, told_at__isnull=False, rule__remind_every_minutes__gt=0
    )
    due = reminded.annotate(minutes=F("rule__remind_every_minutes")).order_by("fired_at")
    for event_id, told_at, minutes in due.values_list("id", "told_at", "minutes"):
        # In seconds: the minutes can be more than a date can be moved by.
        # A time that has not come yet is from a clock that was ahead.
        if told_at is None or 0 <= (now - told_at).total_seconds() < 60 * minutes:
            continue
        every = timedelta(minutes=minutes)
        with transaction.atomic():
            event = reminded.select_for_update(of=("self",)).filter(id=event_id, told_at=told_at).first()
            if event is not None and not is_silent(outbox.rule_of(event), now, event.gpu_uuid, event.host_id):
                outbox.remind(event, every=every, now=now)
