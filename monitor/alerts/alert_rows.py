"""Alerts in the database: the one mapping between an AlertEvent row and the `Alert` of the schema."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from django.db.models import CharField

from monitor.alerts.silence import is_silent
from monitor.models import AlertEvent
from monitor.rules.evaluation import Event
from monitor.rules.kinds.registry import KINDS
from monitor.rules.rule import Rule
from monitor.telemetry.schema import Alert, AlertClock


def as_time(seconds: float) -> dt.datetime:
    """Unix seconds as Django stores them."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def alert_of(row: AlertEvent, *, now: dt.datetime | None = None) -> Alert:
    """The alert of a row. `now`: when to check whether its rule is muted; without it, that is not checked.

    Costs a query each for `acknowledged_by` and `rule` unless they were selected with the row.
    """
    by = row.acknowledged_by
    return Alert(
        id=str(row.pk),
        rule=row.rule_name,
        severity=row.severity,  # type: ignore[arg-type]  # its choices are the schema's
        state=row.state,  # type: ignore[arg-type]  # likewise
        host=row.host,
        host_id=row.host_id or None,
        summary=row.summary,
        detail=row.detail or None,
        gpu_uuid=row.gpu_uuid or None,
        gpu_index=row.gpu_index,
        gpu_name=row.gpu_name or None,
        pid=row.pid,
        metric=row.metric or None,
        value=row.value,
        worst_value=row.worst_value,
        threshold=row.threshold,
        timed_by=_clock_of(stored_rule(row.rule_then)),
        started_at=row.started_at.timestamp(),
        fired_at=row.fired_at.timestamp(),
        resolved_at=None if row.resolved_at is None else row.resolved_at.timestamp(),
        resolved_because=row.resolved_because or None,
        acknowledged_at=None if row.acknowledged_at is None else row.acknowledged_at.timestamp(),
        acknowledged_by=None if by is None else by.get_username(),
        note=row.note or None,
        is_muted=now is not None and row.state == "firing" and is_silent(row.rule, now, row.gpu_uuid, row.host_id),
    )


def _clock_of(rule: Rule | None) -> AlertClock:
    kind = KINDS.get(rule.kind) if rule else None
    return kind.timed_by if kind else "host"


def event_of(row: AlertEvent) -> Event:
    """The event that the engine continues with after a restart. If its rule is unreadable, no enabled rule equals it."""
    rule = stored_rule(row.rule_then) or Rule(id=row.rule_id or 0, name=row.rule_name, kind="")
    return Event(**msgspec.structs.asdict(alert_of(row)), rule_then=rule, subject=row.subject)


def columns_of(event: Event) -> dict[str, Any]:
    """The columns that the engine writes with each change: not the acknowledgement, and not the rule."""
    columns = {
        "rule_name": event.rule,
        "severity": event.severity,
        "state": event.state,
        "host": event.host,
        "host_id": event.host_id or "",
        "subject": event.subject,
        "gpu_uuid": event.gpu_uuid or "",
        "gpu_index": event.gpu_index,
        "gpu_name": event.gpu_name or "",
        "pid": event.pid,
        "summary": event.summary,
        "detail": event.detail or "",
        "metric": event.metric or "",
        "threshold": event.threshold,
        "value": event.value,
        "worst_value": event.worst_value,
        "started_at": as_time(event.started_at),
        "fired_at": as_time(event.fired_at),
        "resolved_at": None if event.resolved_at is None else as_time(event.resolved_at),
        "resolved_because": event.resolved_because or "",
    }
    return {name: _fitting(value, _LONGEST.get(name)) for name, value in columns.items()}


_LONGEST = {field.name: field.max_length for field in AlertEvent._meta.fields if isinstance(field, CharField)}


def _fitting(value: Any, longest: int | None) -> Any:
    """A text as every database stores it: PostgreSQL refuses longer ones, and NUL."""
    return value.replace("\0", "")[:longest] if isinstance(value, str) else value


def stored_rule(kept: Any) -> Rule | None:
    """A rule as it was stored; None if another version stored it in another form."""
    try:
        return msgspec.convert(kept, Rule)
    except msgspec.ValidationError:
        return None
