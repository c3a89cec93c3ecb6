"""Rows for the notification tests, and a clock that stands still until it is set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from monitor.models import AlertEvent, AlertRule, Channel, Delivery
from monitor.notifications import outbox

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""This is a Tuesday."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The signing secret from the example in the specification."""


class Clock:
    """The wall clock of a test."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


def a_channel(url: str = "https://hooks.example.com/T0KEN", **values: Any) -> Channel:
    values = {"name": f"channel {Channel.objects.count() + 1}", "signing_secret": SECRET, **values}
    return Channel.objects.create(url=url, **values)


def a_rule(**values: Any) -> AlertRule:
    values = {"name": f"rule {AlertRule.objects.count() + 1}", "kind": "gpu_lost", **values}
    return AlertRule.objects.create(**values)


def an_event(rule: AlertRule, gpu: int = 0, *, now: datetime = NOON, **values: Any) -> AlertEvent:
    """An event that has just fired and has no delivery yet."""
    values = {
        "rule_name": rule.name,
        "severity": rule.severity,
        "host": "dgx-07",
        "subject": f"GPU-{gpu}",
        "gpu_uuid": f"GPU-{gpu}",
        "gpu_index": gpu,
        "gpu_name": "NVIDIA H100",
        "summary": f"GPU {gpu} is lost",
        "started_at": now,
        "fired_at": now,
        **values,
    }
    return AlertEvent.objects.create(rule=rule, **values)


def fire(rule: AlertRule, gpu: int = 0, *, now: datetime = NOON, **values: Any) -> AlertEvent:
    """Write an event and its deliveries in one transaction, as the engine does."""
    with transaction.atomic():
        event = an_event(rule, gpu, now=now, **values)
        outbox.enqueue(event, now=now)
    return event


def resolve(event: AlertEvent, *, now: datetime, because: str = "it answers again") -> AlertEvent:
    with transaction.atomic():
        event.state, event.resolved_at, event.resolved_because = "resolved", now, because
        event.save()
        outbox.enqueue(event, now=now)
    return event


def told() -> list[tuple[str, str, str, set[int | None]]]:
    """Every delivery, ordered by id: channel, kind, status, indexes of its GPUs."""
    return [
        (each.channel.name, each.kind, each.status, set(each.events.values_list("gpu_index", flat=True)))
        for each in Delivery.objects.order_by("id").select_related("channel")
    ]


def has(status: str, count: int = 1) -> Callable[[], bool]:
    return lambda: Delivery.objects.filter(status=status).count() >= count


def has_failed() -> bool:
    return Delivery.objects.exclude(last_error="").exists()
