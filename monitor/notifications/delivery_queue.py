"""The waiting deliveries: which is next on each channel, when it can be sent, and its result."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Min, Q

from monitor.models import Channel, Delivery

log = logging.getLogger(__name__)

FIRST_BACK_OFF = timedelta(seconds=5)
LONGEST_BACK_OFF = timedelta(minutes=15)
ABANDONED_AFTER = timedelta(hours=24)
"""Since the first attempt."""
ABANDONED_ATTEMPTS = 20
"""The least number of attempts, some hours' worth: a host that was off for a day, or whose clock jumped, has not tried all day."""
COMBINED_AFTER = timedelta(hours=1)
"""Messages delayed by more than that, for any reason, are combined into one."""
_HOUR = timedelta(hours=1)
USER_REPORT_PAUSE = _HOUR
USER_REPORT_ATTEMPTS = 6
"""A user's own report is retried less often, and abandoned earlier: its address may not exist."""


class Head(NamedTuple):
    """The first waiting delivery of a channel."""

    delivery_id: int
    channel_id: int
    ready_at: datetime | None
    """When it can be sent; None while the channel's limit is 0."""
    is_last_allowed: bool
    """Whether it uses up the channel's limit for the hour."""


def recover() -> int:
    """Set deliveries that were being sent when gpumon ended to waiting again, and return their number.

    They can have arrived; the second attempt has the same message ID.
    """
    count = Delivery.objects.filter(status="sending").update(status="waiting")
    if count:
        log.info("%d messages were being sent when gpumon last stopped; sending them again", count)
    return count


def heads(*, now: datetime, without: Collection[int] = ()) -> list[Head]:
    """The next delivery of each enabled channel, except the channels in `without`, oldest first.

    Users' own reports come last and in the order in which they are due: none delays an alert, or another user's report.
    """
    waiting = Delivery.objects.filter(status="waiting", channel__is_enabled=True).exclude(channel__in=without)
    first_of = waiting.order_by().values_list("channel").annotate(first=Min("id", filter=Q(user="")))
    ids = [id_ for channel, first in first_of if (id_ := first or _first_report(channel)) is not None]
    if not ids:
        return []
    found = Delivery.objects.filter(id__in=ids).select_related("channel").order_by("id")
    return [_head(delivery, now) for delivery in found]


def _first_report(channel_id: int) -> int | None:
    """Of users' own reports, the first that is due."""
    reports = Delivery.objects.filter(status="waiting", channel=channel_id).exclude(user="").order_by("due_at", "id")
    return reports.values_list("id", flat=True).first()


def waiting_count() -> int:
    """How many messages wait to be sent, or are being sent, on enabled channels."""
    return Delivery.objects.filter(status__in=("waiting", "sending"), channel__is_enabled=True).count()


def take(head: Head, *, now: datetime) -> Delivery | None:
    """Claim a delivery; None if it is no longer waiting.

    1. If it is the last message allowed this hour, or is late, it is combined with all that wait behind it into a digest.
    2. A conditional update changes the row from waiting to sending, so that it is claimed once.
    """
    with transaction.atomic():  # with the read: a claim that we do not learn of would never be sent
        delivery = Delivery.objects.select_for_update().filter(id=head.delivery_id, status="waiting").first()
        if delivery is None:
            return None
        is_late = delivery.created_at + COMBINED_AFTER < now
        if delivery.attempts == 0 and delivery.kind in _COMBINABLE and (head.is_last_allowed or is_late):
            delivery = _combined(delivery, now)
        claimed = Delivery.objects.filter(id=delivery.pk, status="waiting").update(
            status="sending", attempts=F("attempts") + 1, first_attempt_at=delivery.first_attempt_at or now
        )
        return Delivery.objects.select_related("channel").get(id=delivery.pk) if claimed else None


def settle(delivery: Delivery, error: str | None, *, now: datetime) -> None:
    """Record the result of an attempt in the delivery and in its channel; log errors."""
    with transaction.atomic():
        if error is None:
            Delivery.objects.filter(id=delivery.pk).update(status="sent", sent_at=now, last_error="")
            Delivery.objects.filter(part_of=delivery.pk).update(sent_at=now)
            Channel.objects.filter(id=delivery.channel_id).update(last_sent_at=now, last_error="", last_error_at=None)
            return
        is_long_ago = now - (delivery.first_attempt_at or now) >= ABANDONED_AFTER
        is_over = delivery.kind == "test" or (is_long_ago and delivery.attempts >= ABANDONED_ATTEMPTS)
        is_over = is_over or (bool(delivery.user) and delivery.attempts >= USER_REPORT_ATTEMPTS)
        Delivery.objects.filter(id=delivery.pk).update(
            status="failed" if is_over else "waiting",
            due_at=now + _pause(delivery),
            retry_after_seconds=delivery.retry_after_seconds,
            last_error=error,
        )
        Channel.objects.filter(id=delivery.channel_id).update(last_error=error, last_error_at=now)
    what = f"message {delivery.message_id} to channel {delivery.channel.name}"
    if is_over and delivery.kind != "test":
        log.error("%s: delivery abandoned after %d attempts: %s", what, delivery.attempts, error)
    else:
        log.warning("%s, attempt %d: %s", what, delivery.attempts, error)


def back_off(attempts: int) -> timedelta:
    """The delay after a number of failed attempts: 5 s, 10 s, 20 s and so on, up to 15 min."""
    doublings = min(max(attempts, 1) - 1, 10)
    return min(FIRST_BACK_OFF * (1 << doublings), LONGEST_BACK_OFF)


def _pause(delivery: Delivery) -> timedelta:
    """The delay after its last attempt: the back-off, or longer if the receiver asked for it."""
    own = USER_REPORT_PAUSE if delivery.user else back_off(delivery.attempts)
    return max(own, timedelta(seconds=delivery.retry_after_seconds))


_COMBINABLE = ("fired", "resolved", "reminder")


def _head(delivery: Delivery, now: datetime) -> Head:
    channel = delivery.channel
    # Users' own reports are outside the limit: fifty of them must not combine the alerts of the hour.
    sent = list(
        Delivery.objects.filter(channel=channel, user="", status="sent", sent_at__gt=now - _HOUR, sent_at__lte=now)
        .order_by("-sent_at")
        .values_list("sent_at", flat=True)[: channel.messages_per_hour]
    )
    # A due time further ahead than any delay comes from a clock that was ahead, and does not count.
    due_at = delivery.due_at if delivery.due_at <= now + _pause(delivery) else now
    ready_at: datetime | None = due_at
    if channel.messages_per_hour == 0:
        ready_at = None
    elif not delivery.user and len(sent) >= channel.messages_per_hour and (oldest := sent[-1]) is not None:
        ready_at = max(due_at, oldest + _HOUR)
    return Head(delivery.pk, channel.pk, ready_at, is_last_allowed=len(sent) >= channel.messages_per_hour - 1)


def _combined(delivery: Delivery, now: datetime) -> Delivery:
    """A digest of everything that waits untried on the channel; the delivery itself if it is the only one."""
    parts = Delivery.objects.filter(channel=delivery.channel_id, status="waiting", attempts=0, kind__in=_COMBINABLE)
    if parts.count() == 1:
        return delivery
    digest = Delivery.objects.create(channel_id=delivery.channel_id, kind="digest", created_at=now, due_at=now)
    # By a condition and not by IDs: a flapping rule makes tens of thousands, too many for one statement.
    parts.update(status="combined", part_of=digest)
    return digest
