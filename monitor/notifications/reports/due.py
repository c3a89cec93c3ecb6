"""Adds the weekly reports to the outbox: one for each channel that wants it, and one for each user with an address."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from monitor.models import Channel, Delivery
from monitor.notifications.reports.addresses import address_of
from monitor.notifications.reports.week import Week, week_before
from monitor.usage.reports import usage

log = logging.getLogger(__name__)

LEAST_OCCUPIED_SECONDS = 3600.0
"""Users who held GPUs for less than that in the week get no report."""
_MAIL = Q(url__istartswith="mailto://") | Q(url__istartswith="mailtos://")


def enqueue_due(*, now: datetime, address: str | None = None) -> None:
    """Add the report of the last week for each channel that wants one and has not had it, and those of the users.

    1. A conditional update of the channel claims the week, so that a report is added once. A channel's first one is of the week
       in which it was chosen.
    2. With the report of the first mail channel, the users' reports are added. `address`: how their addresses are made.
    """
    week = week_before(now)
    # A time that has not come yet is from a clock that was ahead.
    due = Q(reported_until__lt=week.end) | Q(reported_until__gt=now)
    wanted = Channel.objects.filter(is_enabled=True, is_for_weekly_report=True)
    for channel in wanted.filter(due | Q(reported_until=None)):
        if channel.reported_until is None:
            wanted.filter(pk=channel.pk, reported_until=None).update(reported_until=week.end)
            continue
        is_first_by_mail = address is not None and channel == first_mail_channel()
        recipients = recipients_of(week, address) if address is not None and is_first_by_mail else {}
        with transaction.atomic():
            if not wanted.filter(due, pk=channel.pk).update(reported_until=week.end):
                continue
            Delivery.objects.create(channel=channel, kind="report", created_at=now, due_at=now)
            # Another mail channel can have been the first one earlier this week.
            this_week = Delivery.objects.filter(created_at__gte=week.end).exclude(user="")
            had = set(this_week.values_list("user", flat=True))
            Delivery.objects.bulk_create(
                Delivery(channel=channel, kind="report", user=user, recipient=recipient, created_at=now, due_at=now)
                for user, recipient in recipients.items()
                if user not in had
            )


def first_mail_channel() -> Channel | None:
    """The channel that also mails the users' reports: the oldest mail channel with the weekly report."""
    channels = Channel.objects.filter(_MAIL, is_enabled=True, is_for_weekly_report=True)
    return channels.order_by("pk").first()


def problem(address: str | None) -> str | None:
    """Why the users get no reports although the settings say how their addresses are made."""
    if address is None or first_mail_channel() is not None:
        return None
    return "users get no weekly reports: no enabled mail channel (mailto:// or mailtos://) has the weekly report"


def recipients_of(week: Week, address: str) -> dict[str, str]:
    """The addresses of the users who held GPUs in the week, by user. Logs the users whose names make no address."""
    held = [row.key for row in usage(*week.span, "user").rows if row.occupied_seconds >= LEAST_OCCUPIED_SECONDS]
    addresses = {user: address_of(user, address) for user in held if user}
    if without := [user for user, found in addresses.items() if found is None]:
        log.warning("no weekly report to %s: these usernames make no mail address", ", ".join(map(repr, without)))
    return {user: found for user, found in addresses.items() if found is not None}
