"""The deliveries that wait, as the notifier takes them: which is next on each channel, when, and what became of it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Min

from monitor.models import Channel, Delivery

log = logging.getLogger(__name__)

FIRST_BACK_OFF = timedelta(seconds=5)
LONGEST_BACK_OFF = timedelta(minutes=15)
GIVEN_UP_AFTER = timedelta(hours=24)
"""After the first attempt, and not before the next."""
GIVEN_UP_ATTEMPTS = 20
"""Some hours of trying: a machine that was off for a day, or whose clock jumped by one, has not tried for a day."""
COMBINED_AFTER = timedelta(hours=1)
"""What had to wait longer than that, for whatever reason, is told in one message."""
_HOUR = timedelta(hours=1)


class Head(NamedTuple):
    """The delivery whose turn it is on its channel: the first of those that wait."""

    delivery_id: int
    channel_id: int
    ready_at: datetime | None
    """When it may be sent; None while the channel's limit is 0."""
    is_last_allowed: bool
    """After it the channel has had all its messages of the hour."""


def recover() -> int:
    """Let deliveries wait again that were being sent when the program ended. How many there were.

    They may have arrived: their second attempt has the same message id.
    """
    count = Delivery.objects.filter(status="sending").update(status="waiting")
    if count:
        log.info("%d messages were being sent when gpumon last ended; they are sent once more", count)
    return count


def heads(*, now: datetime, without: Collection[int] = ()) -> list[Head]:
    """The next delivery of each enabled channel but those given by id, in the order they came."""
    waiting = Delivery.objects.filter(status="waiting", channel__is_enabled=True).exclude(channel__in=without)
    first = waiting.order_by().values("channel").annotate(first=Min("id")).values("first")
    return [
        _head(delivery, now)
        for delivery in Delivery.objects.filter(id__in=first).select_related("channel").order_by("id")
    ]


def take(head: Head, *, now: datetime) -> Delivery | None:
    """Claim a delivery: None when it does not wait any more.

    1. Where it is the last message allowed this hour, or has waited for long, all that wait behind it join it in a digest.
    2. The row goes from waiting to sending by a conditional update, so that nobody else sends it too.
    """
    with transaction.atomic():  # read back within it: what was claimed without our knowing would never be sent
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
    """Write down what became of an attempt, in the delivery and in its channel. The log tells of what is given up."""
    with transaction.atomic():
        if error is None:
            Delivery.objects.filter(id=delivery.pk).update(status="sent", sent_at=now, last_error="")
            Delivery.objects.filter(part_of=delivery.pk).update(sent_at=now)
            Channel.objects.filter(id=delivery.channel_id).update(last_sent_at=now, last_error="", last_error_at=None)
            return
        is_long_ago = now - (delivery.first_attempt_at or now) >= GIVEN_UP_AFTER
        is_over = delivery.kind == "test" or (is_long_ago and delivery.attempts >= GIVEN_UP_ATTEMPTS)
        Delivery.objects.filter(id=delivery.pk).update(
            status="failed" if is_over else "waiting", due_at=now + back_off(delivery.attempts), last_error=error
        )
        Channel.objects.filter(id=delivery.channel_id).update(last_error=error, last_error_at=now)
    what = f"message {delivery.message_id} to channel {delivery.channel.name}"
    if is_over and delivery.kind != "test":
        log.error("%s is given up after %d attempts: %s", what, delivery.attempts, error)
    else:
        log.warning("%s, attempt %d: %s", what, delivery.attempts, error)


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: 5 s, 10 s, 20 s and so on, up to 15 min."""
    doublings = min(max(attempts, 1) - 1, 10)
    return min(FIRST_BACK_OFF * (1 << doublings), LONGEST_BACK_OFF)


_COMBINABLE = ("fired", "resolved", "reminder")


def _head(delivery: Delivery, now: datetime) -> Head:
    channel = delivery.channel
    sent = list(
        Delivery.objects.filter(channel=channel, status="sent", sent_at__gt=now - _HOUR, sent_at__lte=now)
        .order_by("-sent_at")
        .values_list("sent_at", flat=True)[: channel.messages_per_hour]
    )
    # Due further ahead than we ever let it wait, it comes from a clock that was ahead: nobody waits for that time again.
    due_at = delivery.due_at if delivery.due_at <= now + back_off(delivery.attempts) else now
    ready_at: datetime | None = due_at
    if channel.messages_per_hour == 0:
        ready_at = None
    elif len(sent) >= channel.messages_per_hour and (oldest := sent[-1]) is not None:
        ready_at = max(due_at, oldest + _HOUR)
    return Head(delivery.pk, channel.pk, ready_at, is_last_allowed=len(sent) >= channel.messages_per_hour - 1)


def _combined(delivery: Delivery, now: datetime) -> Delivery:
    """A digest of everything that waits on the channel untried; the delivery itself where that is all."""
    parts = Delivery.objects.filter(channel=delivery.channel_id, status="waiting", attempts=0, kind__in=_COMBINABLE)
    if parts.count() == 1:
        return delivery
    digest = Delivery.objects.create(channel_id=delivery.channel_id, kind="digest", created_at=now, due_at=now)
    # Not by their ids: of a rule that flaps there may be tens of thousands, too many for one statement.
    parts.update(status="combined", part_of=digest)
    return digest
