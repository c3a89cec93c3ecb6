"""`GET /api/alerts`: the open alerts of all hosts, from memory, and on request the alert history, from the database."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec
from django.utils import timezone

from monitor.alerts.alert_rows import alert_of
from monitor.models import AlertEvent
from monitor.telemetry.redaction import alert_without_details
from monitor.telemetry.schema import Alert
from monitor.web.api.parameters import refuse_unknown, whole_number

PARAMETERS = ("state", "since", "limit", "host")
MOST = 1000
DEFAULT_LIMIT = 100


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /api/alerts."""

    alerts: tuple[Alert, ...]
    """Open now, worst first."""
    history: tuple[Alert, ...] | None
    """Newest first; null unless `state` requests it."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """The requested part of the alert history."""

    is_resolved_only: bool
    since: datetime | None
    """Fired then or later."""
    limit: int


def past_wanted(query: Mapping[str, str]) -> Past | None:
    """From the query; None for only the open alerts. Raises ValueError with the problem and the valid values."""
    refuse_unknown(query, PARAMETERS)
    state = query.get("state", "open")
    if state not in ("open", "resolved", "all"):
        raise ValueError(f"state is {state!r}; it must be open, resolved or all")
    if state == "open":
        if given := sorted({"since", "limit"} & set(query)):
            raise ValueError(f"{given[0]} applies to the history: add state=resolved or state=all")
        return None
    return Past(
        is_resolved_only=state == "resolved",
        since=_since(query.get("since")),
        limit=whole_number("limit", query.get("limit", str(DEFAULT_LIMIT)), 1, MOST),
    )


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        seconds = float(text)
        if math.isfinite(seconds):
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass  # the same error as for a value that is no number
    raise ValueError(f"since is {text!r}; it must be a time in Unix seconds, such as 1790000000")


def records(past: Past, *, has_details: bool, host_id: str | None = None) -> tuple[Alert, ...]:
    """Read the history from the database. `has_details`: with fields that can name users and commands. `host_id`: of one host,
    as the database has it; None: of all.
    """
    rows = (
        AlertEvent.objects.select_related("acknowledged_by", "rule")
        .prefetch_related("rule__snoozes")
        .order_by("-fired_at", "-id")
    )
    if past.is_resolved_only:
        rows = rows.filter(state="resolved")
    if host_id is not None:
        rows = rows.filter(host_id=host_id)
    if past.since is not None:
        rows = rows.filter(fired_at__gte=past.since)
    now = timezone.now()
    alerts = [alert_of(row, now=now) for row in rows[: past.limit]]
    return tuple(alerts if has_details else [alert_without_details(alert) for alert in alerts])


def open_alerts(alerts: Iterable[Alert], *, has_details: bool, host_id: str | None) -> tuple[Alert, ...]:
    """The open alerts; parameters as in `records`."""
    found = [each for each in alerts if host_id is None or (each.host_id or "") == host_id]
    return tuple(found if has_details else [alert_without_details(each) for each in found])


def hosts_with_alerts() -> dict[str, str]:
    """The last names of hosts with alerts, by id. Reads the database."""
    rows = AlertEvent.objects.exclude(host_id="").order_by("fired_at")
    return dict(rows.values_list("host_id", "host"))
