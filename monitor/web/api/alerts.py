"""`GET /api/alerts`: what is open now, from the live snapshot, and on request what has been, from the database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from monitor.models import AlertEvent
from monitor.telemetry.schema import Alert, Severity

MOST = 1000
DEFAULT_LIMIT = 100


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the database keeps it, open or over."""

    id: str
    """UUID, as in Alert."""
    rule: str
    """The rule's name as it was then."""
    severity: Severity
    state: str
    """firing or resolved."""
    host: str
    summary: str
    """What is wrong in words; names neither users nor commands."""
    detail: str | None
    gpu_uuid: str | None
    """Null where it concerns the whole host."""
    gpu_index: int | None
    gpu_name: str | None
    pid: int | None
    metric: str | None
    """By the schema's names, with its struct: gpu.temperature_celsius."""
    value: float | None
    """When it fired, in the metric's unit."""
    worst_value: float | None
    threshold: float | None
    started_at: float
    """When the condition began to hold, Unix seconds."""
    fired_at: float
    resolved_at: float | None
    resolved_because: str | None
    acknowledged_at: float | None
    acknowledged_by: str | None
    note: str | None
    """What was noted when it was acknowledged."""


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /api/alerts."""

    alerts: tuple[Alert, ...]
    """Open now, the worst first."""
    history: tuple[AlertRecord, ...] | None
    """The last to fire first; null unless `state` asks for it."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What of the past is asked for."""

    is_resolved_only: bool
    since: datetime | None
    """Fired then or later."""
    limit: int


def past_wanted(query: Mapping[str, str]) -> Past | None:
    """From the query; None for the open ones alone. Raises ValueError with what is wrong and what is taken."""
    if unknown := sorted(set(query) - {"state", "since", "limit"}):
        raise ValueError(f"there is no parameter {unknown[0]!r}; there are state, since and limit")
    state = query.get("state", "open")
    if state not in ("open", "resolved", "all"):
        raise ValueError(f"state is {state!r}; it may be open, resolved or all")
    if state == "open":
        if given := sorted({"since", "limit"} & set(query)):
            raise ValueError(f"{given[0]} is about what has been: add state=resolved or state=all")
        return None
    return Past(
        is_resolved_only=state == "resolved", since=_since(query.get("since")), limit=_limit(query.get("limit"))
    )


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        seconds = float(text)
        if math.isfinite(seconds):
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass  # said below, as for what is no time either
    raise ValueError(f"since is {text!r}; it is a time in Unix seconds, such as 1790000000")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MOST):
        raise ValueError(f"limit is {text!r}; it may be 1 to {MOST}")
    return int(text)


def records(past: Past, *, has_details: bool) -> tuple[AlertRecord, ...]:
    """Read from the database. `has_details`: with what may name users and commands, and who did something about it."""
    events = AlertEvent.objects.select_related("acknowledged_by").order_by("-fired_at", "-id")
    if past.is_resolved_only:
        events = events.filter(state="resolved")
    if past.since is not None:
        events = events.filter(fired_at__gte=past.since)
    return tuple([_record(event, has_details=has_details) for event in events[: past.limit]])


def _record(event: AlertEvent, *, has_details: bool) -> AlertRecord:
    by = event.acknowledged_by if has_details else None
    return AlertRecord(
        id=str(event.id),
        rule=event.rule_name,
        severity=event.severity,  # type: ignore[arg-type]  # its choices are the schema's
        state=event.state,
        host=event.host,
        summary=event.summary,
        detail=(event.detail or None) if has_details else None,
        gpu_uuid=event.gpu_uuid or None,
        gpu_index=event.gpu_index,
        gpu_name=event.gpu_name or None,
        pid=event.pid,
        metric=event.metric or None,
        value=event.value,
        worst_value=event.worst_value,
        threshold=event.threshold,
        started_at=event.started_at.timestamp(),
        fired_at=event.fired_at.timestamp(),
        resolved_at=event.resolved_at.timestamp() if event.resolved_at else None,
        resolved_because=event.resolved_because or None,
        acknowledged_at=event.acknowledged_at.timestamp() if event.acknowledged_at else None,
        acknowledged_by=by.get_username() if by else None,
        note=(event.note or None) if has_details else None,
    )
