"""What happened in the span that a page shows: alerts and gaps, for a list below the charts and for shading them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.urls import reverse

from monitor import formats
from monitor.history.gaps import REASONS
from monitor.history.store import OWN
from monitor.models import AlertEvent, HistoryGap
from monitor.web.pages.alert_history import PastAlert, without_repetitions
from monitor.web.span import Span

MOST_ALERTS = 200
MOST_GAPS = 100
RECENT = 5
"""Number of recently resolved alerts where none is in the span."""
_LOOKED_AT = 20 * RECENT
"""Alerts that repeat count as one."""
log = logging.getLogger(__name__)


class Period(msgspec.Struct, frozen=True, array_like=True):
    """An alert as charts shade it."""

    id: str
    start: float
    end: float | None
    """None while it fires."""
    severity: str
    metric: str
    gpu: str
    """UUID; empty for the host."""
    href: str
    label: str


class GapRow(NamedTuple):
    """A span without readings."""

    start: datetime
    end: datetime
    lasted: str
    why: str
    who: str
    """The source's name; empty for all."""


class InSpan(NamedTuple):
    """What happened, newest first; alerts that repeated are in one place."""

    alerts: list[PastAlert]
    has_only_resolved: bool
    """Open alerts are listed elsewhere on the page."""
    recent: list[PastAlert]
    """The last resolved ones, of a GPU where the span has none."""
    is_cut: bool
    """There are more alerts than MOST_ALERTS; the newest are shown."""
    gaps: list[GapRow] | None
    """None if the history's database does not respond, which is logged."""
    periods: str
    """JSON: a list of Period."""


def in_span(
    span: Span, names: dict[str, str], *, has_details: bool, gpu: str = "", host_id: str = OWN
) -> InSpan | None:
    """The alerts and gaps, or None if the database does not respond, which is logged. Blocks.

    `names`: of the sources, by key. `gpu`: UUID, for the page of a GPU, which lists its open alerts itself: only its resolved
    ones are listed, and if the span has none, the last ones.
    """
    events = AlertEvent.objects.select_related("acknowledged_by").filter(host_id=host_id)
    if gpu:
        events = events.filter(gpu_uuid=gpu)
    try:
        rows = list(_overlapping(events, span).order_by("-started_at")[: MOST_ALERTS + 1])
        shaded = rows[:MOST_ALERTS]
        listed = [event for event in shaded if not gpu or event.state == "resolved"]
        resolved = events.filter(state="resolved").order_by("-fired_at")
        recent = list(resolved[:_LOOKED_AT]) if gpu and not listed else []
    except DatabaseError as error:
        log.warning("cannot read the alerts of a span: %s", error)
        return None
    return InSpan(
        without_repetitions(PastAlert(event, has_details=has_details) for event in listed),
        bool(gpu),
        without_repetitions(PastAlert(event, has_details=has_details) for event in recent)[:RECENT],
        len(rows) > MOST_ALERTS,
        _gaps(span, names, host_id),
        msgspec.json.encode([period_of(event) for event in shaded]).decode(),
    )


def _overlapping(events: QuerySet[AlertEvent], span: Span) -> QuerySet[AlertEvent]:
    start, end = datetime.fromtimestamp(span.start, UTC), datetime.fromtimestamp(span.end, UTC)
    return events.filter(started_at__lt=end).filter(Q(resolved_at__gt=start) | Q(state="firing"))


def period_of(event: AlertEvent) -> Period:
    """The event for the charts."""
    end = event.resolved_at.timestamp() if event.resolved_at else None
    past = PastAlert(event, has_details=False)
    words = [past.worst or past.value or event.rule_name]
    if end is not None:
        words.append(formats.rough_duration(max(1.0, end - event.started_at.timestamp())))
    return Period(
        str(event.id),
        event.started_at.timestamp(),
        end,
        event.severity,
        event.metric,
        event.gpu_uuid,
        reverse("alert", args=[event.id]),
        ", ".join(words),
    )


def _gaps(span: Span, names: dict[str, str], host_id: str) -> list[GapRow] | None:
    """Of all sources of the host, and of these; newest first."""
    rows = HistoryGap.objects.select_related("source").filter(host_id=host_id, start__lt=span.end, end__gt=span.start)
    rows = rows.filter(Q(source=None) | Q(source__key__in=names))
    try:
        return [_gap_row(row, names) for row in rows.order_by("-start")[:MOST_GAPS]]
    except DatabaseError as error:
        log.warning("cannot read the gaps of a span: %s", error)
        return None


def _gap_row(row: HistoryGap, names: dict[str, str]) -> GapRow:
    return GapRow(
        datetime.fromtimestamp(row.start, UTC),
        datetime.fromtimestamp(row.end, UTC),
        formats.duration(max(1.0, row.end - row.start)),
        row.text or REASONS.get(row.reason, row.reason),
        "" if row.source is None else names[row.source.key],
    )
