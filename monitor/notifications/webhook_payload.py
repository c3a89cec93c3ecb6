"""The JSON of a signed webhook; docs/notifications.md describes each field for receivers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from monitor.models import Delivery
from monitor.notifications.messages import Message, events_of, link_to
from monitor.telemetry.schema import Alert

_OF_OPEN_ALERTS = ("is_muted", "is_clearing", "times_in_last_hour")
"""Fields that only the engine knows."""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The message and its alerts."""

    title: str
    text: str
    channel: str
    events: list[dict[str, Any]]
    """Each an Alert of the schema with times as RFC 3339, `url` and, since a message is not sent while notifications are
    off, without what only an open alert in a snapshot has.
    """


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope of Standard Webhooks."""

    type: str
    """alert.fired, alert.resolved, alert.reminder, alert.digest, alert.test or usage.report."""
    timestamp: datetime
    """When the message was created: the same for every attempt."""
    data: Data


def body_of(delivery: Delivery, message: Message, *, public_url: str | None) -> bytes:
    """The bytes to sign and send."""
    events = [event_of(alert, public_url=public_url) for alert in events_of(delivery)]
    data = Data(title=message.title, text=message.whole, channel=delivery.channel.name, events=events)
    timestamp = delivery.created_at.astimezone(UTC)
    type_ = "usage.report" if delivery.kind == "report" else f"alert.{delivery.kind}"
    return msgspec.json.encode(Body(type=type_, timestamp=timestamp, data=data))


def event_of(alert: Alert, *, public_url: str | None) -> dict[str, Any]:
    """One alert as it is at the time of sending. Its detail is a text, empty if there is none."""
    fields: dict[str, Any] = msgspec.to_builtins(alert)
    for name in _OF_OPEN_ALERTS:
        del fields[name]
    times = {name: fields[name] for name in fields if name.endswith("_at") and fields[name] is not None}
    return {
        **fields,
        **{name: datetime.fromtimestamp(seconds, UTC) for name, seconds in times.items()},
        "detail": alert.detail or "",
        "url": None if public_url is None else link_to(alert, public_url),
    }
