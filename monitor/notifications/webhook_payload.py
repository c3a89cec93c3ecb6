"""The JSON of a signed webhook; docs/notifications.md describes each field for receivers."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from monitor.models import AlertEvent, Delivery
from monitor.notifications.messages import Message, events_of, link_to


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, as it is at the time of sending."""

    id: str
    """The same in the messages of its firing, its reminders and its resolution."""
    state: str
    rule: str
    severity: str
    host: str
    gpu_uuid: str | None
    gpu_index: int | None
    gpu_name: str | None
    pid: int | None
    summary: str
    detail: str
    metric: str | None
    value: float | None
    worst_value: float | None
    threshold: float | None
    started_at: datetime
    fired_at: datetime
    resolved_at: datetime | None
    resolved_because: str | None
    url: str | None


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The message and its alerts."""

    title: str
    text: str
    channel: str
    events: list[EventBody]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope of Standard Webhooks."""

    type: str
    """alert.fired, alert.resolved, alert.reminder, alert.digest or alert.test."""
    timestamp: datetime
    """When the message was created: the same for every attempt."""
    data: Data


def body_of(delivery: Delivery, message: Message, *, public_url: str | None) -> bytes:
    """The bytes to sign and send."""
    events = [_event(event, public_url) for event in events_of(delivery)]
    data = Data(title=message.title, text=message.text, channel=delivery.channel.name, events=events)
    timestamp = delivery.created_at.astimezone(UTC)
    return msgspec.json.encode(Body(type=f"alert.{delivery.kind}", timestamp=timestamp, data=data))


def _event(event: AlertEvent, public_url: str | None) -> EventBody:
    return EventBody(
        id=str(event.pk),
        state=event.state,
        rule=event.rule_name,
        severity=event.severity,
        host=event.host,
        gpu_uuid=event.gpu_uuid or None,
        gpu_index=event.gpu_index,
        gpu_name=event.gpu_name or None,
        pid=event.pid,
        summary=event.summary,
        detail=event.detail,
        metric=event.metric or None,
        value=event.value,
        worst_value=event.worst_value,
        threshold=event.threshold,
        started_at=event.started_at,
        fired_at=event.fired_at,
        resolved_at=event.resolved_at,
        resolved_because=event.resolved_because or None,
        url=None if public_url is None else link_to(event, public_url),
    )
