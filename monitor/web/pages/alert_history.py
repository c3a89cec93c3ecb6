"""The alert history from the database: filtered by the address, grouped by day, in pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone

from monitor import formats
from monitor.alerts.alert_rows import alert_of
from monitor.history.metrics import HOST_METRICS
from monitor.models import AlertEvent
from monitor.rules.metrics import text_of
from monitor.rules.sentences import lasted, repeated
from monitor.web.components.open_alerts import WORST_FIRST
from monitor.web.hosts.addresses import gpu_address
from monitor.web.span import utc_text

PAGE_SIZE = 50
_EPOCH = datetime.fromtimestamp(0, UTC)
FLAPPING = timedelta(hours=1)
"""Alerts of the same rule and subject that fired within this time stand in one place."""
_AROUND = timedelta(minutes=15)
_HOST_METRICS = frozenset(metric.name for metric in HOST_METRICS)
_STATES = ("firing", "resolved")
_YES_OR_NO = ("yes", "no")
log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """The filter in the address: `?severity=critical&state=resolved&rule=…&host=…&gpu=…&acknowledged=no&day=…&q=…&before=…`."""

    severity: str = ""
    state: str = ""
    rule: str = ""
    host: str = ""
    """Its name when the alert fired."""
    gpu: str = ""
    """UUID."""
    acknowledged: str = ""
    day: date | None = None
    """In the viewer's zone."""
    q: str = ""
    """Words, all of which must occur in summary, detail, rule or note."""
    before: tuple[datetime, UUID] | None = None
    """When the last alert of the previous page fired, and its id."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """From a request's GET parameters. Invalid ones are ignored."""

        def one_of(name: str, known: tuple[str, ...]) -> str:
            given = query.get(name, "")
            return given if given in known else ""

        def text_of(name: str, longest: int) -> str:
            return query.get(name, "").replace("\0", "")[:longest]  # PostgreSQL refuses NUL

        return cls(
            one_of("severity", WORST_FIRST),
            one_of("state", _STATES),
            text_of("rule", 100),
            text_of("host", 255),
            text_of("gpu", 96),
            one_of("acknowledged", _YES_OR_NO),
            _day_of(query.get("day", "")),
            text_of("q", 200),
            _cursor_of(query.get("before", "")),
        )

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the page is set."""
        return any(self[:-1])

    def as_query(self, before: str = "") -> str:
        """The query of an address with this filter, on the page after `before`."""
        given = {**self._asdict(), "day": self.day.isoformat() if self.day else "", "before": before}
        return urlencode({name: value for name, value in given.items() if value})


def _day_of(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day < date.max else None  # the last date has no end in datetime


def _cursor_of(text: str) -> tuple[datetime, UUID] | None:
    at, _, last = text.partition("_")
    try:
        # Whole microseconds: a float could lose the last one.
        return _EPOCH + timedelta(microseconds=int(at)), UUID(last)
    except (ValueError, OverflowError):
        return None


class PastAlert:
    """An alert of the history. `has_details`: whether it may name users and commands, and who acknowledged it."""

    def __init__(self, event: AlertEvent, *, has_details: bool) -> None:
        self.event = event
        self.detail = event.detail if has_details else ""
        self.note = event.note if has_details else ""
        self._has_details = has_details
        self.value = _text(event.metric, event.value)
        self.worst = _text(event.metric, event.worst_value)
        self.threshold = _text(event.metric, event.threshold)
        self.lasted = "" if event.resolved_at is None else lasted(alert_of(event))
        self.earlier: list[PastAlert] = []
        """The same alert's earlier times, newest first, if it flapped: within FLAPPING of this one."""

    @property
    def repeated(self) -> str:
        """×12 within 40 min; empty if it did not flap."""
        if not self.earlier:
            return ""
        seconds = (self.event.fired_at - self.earlier[-1].event.fired_at).total_seconds()
        return repeated(1 + len(self.earlier), f"within {formats.duration(max(1.0, seconds))}")

    @property
    def chart(self) -> str:
        """The address of its metric around its time, with some minutes before and after; empty if no chart shows it."""
        event = self.event
        end = None if event.resolved_at is None else (event.resolved_at + _AROUND).timestamp()
        span = urlencode({"from": utc_text(int((event.started_at - _AROUND).timestamp())), **_until(end)})
        if event.gpu_uuid:
            return f"{self.gpu_address}?{span}"
        metric = event.metric.removeprefix("system.")
        if metric not in _HOST_METRICS:
            return ""
        host = {"host": event.host_id} if event.host_id else {}
        return f"{reverse('history')}?{urlencode({**host, 'metric': metric})}&{span}"

    @property
    def gpu_address(self) -> str:
        """The page of its GPU."""
        return gpu_address(self.event.host_id, self.event.gpu_uuid)

    @property
    def acknowledged_by(self) -> str:
        """The name of the account, if it may be shown and still exists."""
        if not self._has_details:
            return "a user"
        user = self.event.acknowledged_by
        return "a deleted account" if user is None else user.get_username()


def _until(end: float | None) -> dict[str, str]:
    """Without an end in the past, the span ends now."""
    return {} if end is None or end > time.time() else {"to": utc_text(int(end))}


def _text(metric: str, value: float | None) -> str:
    return "" if not metric or value is None else text_of(metric, value)


def without_repetitions(alerts: Iterable[PastAlert]) -> list[PastAlert]:
    """The alerts, newest first, with those that flapped in one place each."""
    found: dict[tuple[object, ...], PastAlert] = {}
    shown: list[PastAlert] = []
    for past in alerts:
        event = past.event
        key = (event.rule_name, event.host, event.gpu_uuid, event.pid, event.subject, event.state)
        later = found.get(key) if event.state == "resolved" else None
        if later is not None and later.event.fired_at - past.event.fired_at <= FLAPPING:
            later.earlier.append(past)
        else:
            found[key] = past
            shown.append(past)
    return shown


class Day(NamedTuple):
    """The alerts of one day on this page."""

    day: date
    total: int
    """Alerts of the day on all pages."""
    alerts: list[PastAlert]


class Choice(NamedTuple):
    """An option of the GPU filter."""

    uuid: str
    label: str


class History(NamedTuple):
    """One page of the history."""

    is_behind: bool
    """The database lags behind the alert engine."""

    days: list[Day]
    older: str
    """The query of the next page; empty on the last one."""
    rules: list[str]
    """Options of the rule filter."""
    hosts: list[str]
    """Options of the host filter; with one, there is none."""
    gpus: list[Choice]

    @property
    def names_hosts(self) -> bool:
        """Whether alerts are shown with the names of their hosts."""
        return len(self.hosts) > 1


def history(wanted: Wanted, *, has_details: bool, open_now: Collection[str]) -> History | None:
    """The wanted page, or None if the database does not respond, which is logged.

    `open_now`: the ids of the alerts that are open according to the engine.
    """
    try:
        return _history(wanted, has_details=has_details, open_now=open_now)
    except DatabaseError as error:
        log.warning("cannot read the alert history: %s", error)
        return None


def _history(wanted: Wanted, *, has_details: bool, open_now: Collection[str]) -> History:
    firing = AlertEvent.objects.filter(state="firing").values_list("id", flat=True)
    is_behind = {str(id_) for id_ in firing} != set(open_now)  # queried first: later writes are then shown
    events = AlertEvent.objects.select_related("acknowledged_by")
    found = _filtered(events, wanted, has_details=has_details)
    if not wanted.state:
        found = found.exclude(pk__in=[UUID(id_) for id_ in open_now])  # they stand above, under Open
    page = found
    if wanted.before is not None:
        at, last = wanted.before
        page = page.filter(Q(fired_at__lt=at) | Q(fired_at=at, id__lt=last))
    shown = list(page.order_by("-fired_at", "-id")[: PAGE_SIZE + 1])
    older = ""
    if len(shown) > PAGE_SIZE:
        shown.pop()
        older = wanted.as_query(_cursor_after(shown[-1]))
    days = [(day, list(group)) for day, group in groupby(shown, lambda event: timezone.localdate(event.fired_at))]
    counts: dict[date, int] = {}
    if days:
        of_days = found.filter(fired_at__gte=_start_of(days[-1][0]), fired_at__lt=_end_of(days[0][0])).order_by()
        by_day = of_days.annotate(day=TruncDate("fired_at")).values_list("day").annotate(Count("id"))
        counts = dict(by_day)  # may be lower than what is shown, if an alert resolved in between
    return History(
        is_behind,
        [
            Day(
                day,
                max(counts.get(day, 0), len(group)),
                without_repetitions(PastAlert(event, has_details=has_details) for event in group),
            )
            for day, group in days
        ],
        older,
        list(AlertEvent.objects.order_by("rule_name").values_list("rule_name", flat=True).distinct()),
        list(AlertEvent.objects.order_by("host").values_list("host", flat=True).distinct()),
        _gpus(wanted.host),
    )


def _start_of(day: date) -> datetime:
    # East of Greenwich, the first midnight of the calendar has no time in UTC.
    return datetime.combine(max(day, date(1, 1, 2)), datetime.min.time(), timezone.get_current_timezone())


def _end_of(day: date) -> datetime:
    """The next midnight: not 24 hours later where the clock changes."""
    return _start_of(day + timedelta(days=1))


def _cursor_after(event: AlertEvent) -> str:
    return f"{(event.fired_at - _EPOCH) // timedelta(microseconds=1)}_{event.id.hex}"


def _filtered(events: QuerySet[AlertEvent], wanted: Wanted, *, has_details: bool) -> QuerySet[AlertEvent]:
    exact = {
        "severity": wanted.severity,
        "state": wanted.state,
        "rule_name": wanted.rule,
        "host": wanted.host,
        "gpu_uuid": wanted.gpu,
    }
    events = events.filter(**{name: value for name, value in exact.items() if value})
    if wanted.acknowledged:
        events = events.filter(acknowledged_at__isnull=wanted.acknowledged == "no")
    if wanted.day is not None:
        events = events.filter(fired_at__gte=_start_of(wanted.day), fired_at__lt=_end_of(wanted.day))
    for word in wanted.q.split():
        match = Q(summary__icontains=word) | Q(rule_name__icontains=word)
        if has_details:  # else a search would reveal them
            match |= Q(detail__icontains=word) | Q(note__icontains=word)
        events = events.filter(match)
    return events


def _gpus(host: str) -> list[Choice]:
    rows = AlertEvent.objects.exclude(gpu_uuid="").order_by("gpu_index", "gpu_uuid")
    rows = rows.filter(host=host) if host else rows
    seen = {
        uuid: (index, name) for uuid, index, name in rows.values_list("gpu_uuid", "gpu_index", "gpu_name").distinct()
    }
    return [
        Choice(uuid, " · ".join([f"GPU {index}" if index is not None else uuid, *([name] if name else [])]))
        for uuid, (index, name) in seen.items()
    ]
