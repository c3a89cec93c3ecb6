"""The weekly report: who used the GPUs from Monday to Monday, how much was held while idle, the hottest GPU, and the alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from monitor.history.queries import history
from monitor.models import AlertEvent, Channel, Delivery
from monitor.rules.choices import SEVERITIES
from monitor.usage.reports import Report, Row, usage

SENT_FROM_HOUR = 8
"""On Mondays, in the server's time zone; later if the server does not run then, and for the last week only."""
MOST_USERS = 20
"""Listed; the others are counted."""
_TEMPERATURE = "temperature_celsius"
_BUCKETS = 7 * 96


class Week(NamedTuple):
    """From a Monday, 0:00, to the next, in the server's time zone."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """16–22 Nov 2026."""
        last = self.end - timedelta(days=1)
        first = f"{self.start.day}" if self.start.month == last.month else f"{self.start.day} {self.start:%b}"
        return f"{first}–{last.day} {last:%b %Y}"


def week_before(now: datetime) -> Week:
    """The last whole week that a report is due for."""
    zone = timezone.get_default_timezone()
    local = now.astimezone(zone) - timedelta(hours=SENT_FROM_HOUR)
    monday = local.date() - timedelta(days=local.weekday())
    start, end = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in (monday - timedelta(days=7), monday))
    return Week(start, end)


def enqueue_due(*, now: datetime) -> None:
    """Add the report of the last week for each channel that wants one and has not had it.

    A conditional update of the channel claims the week, so that a report is added once. A channel's first one is of the week in
    which it was chosen.
    """
    end = week_before(now).end
    # A time that has not come yet is from a clock that was ahead.
    due = Q(reported_until__lt=end) | Q(reported_until__gt=now)
    wanted = Channel.objects.filter(is_enabled=True, is_for_weekly_report=True)
    for channel in wanted.filter(due | Q(reported_until=None)):
        if channel.reported_until is None:
            wanted.filter(pk=channel.pk, reported_until=None).update(reported_until=end)
            continue
        with transaction.atomic():
            if wanted.filter(due, pk=channel.pk).update(reported_until=end):
                Delivery.objects.create(channel=channel, kind="report", created_at=now, due_at=now)


def title_and_text(created_at: datetime) -> tuple[str, str]:
    """Of the report that was added then. Reads both databases."""
    week = week_before(created_at)
    start, end = week.start.timestamp(), week.end.timestamp()
    by_user, by_gpu = usage(start, end, "user"), usage(start, end, "gpu")
    if not by_user.gpu_count:
        return f"GPU usage, {week.name}", "There are no records of this week."
    lines = [*_totals(by_user), "", *_users(by_user), "", *_hottest(by_gpu.rows, start, end), _alerts(week)]
    return f"GPU usage, {week.name}", "\n".join(lines)


def _totals(report: Report) -> list[str]:
    parts = (
        ("users", report.users_seconds),
        ("held by nobody", report.nobody_seconds),
        ("free", report.free_seconds),
        ("unknown", report.unknown_seconds),
    )
    named = [
        f"{name} {_hours(seconds)} ({100 * seconds / report.gpu_seconds:.0f} %)" for name, seconds in parts if seconds
    ]
    gpus = "1 GPU" if report.gpu_count == 1 else f"{report.gpu_count} GPUs"
    return [
        f"{gpus}, {_hours(report.gpu_seconds)} together: {', '.join(named)}.",
        f"Held while idle: {_hours(report.total.idle_held_seconds)}. Energy: at least {report.energy_joules / 3.6e6:.1f} kWh.",
    ]


def _users(report: Report) -> list[str]:
    if not report.rows:
        return ["Nobody used the GPUs."]
    lines = [
        f"· {row.label}: {_hours(row.share_seconds)}, idle-held {_hours(row.idle_held_seconds)}{_mean_sm(row)}"
        for row in report.rows[:MOST_USERS]
    ]
    more = len(report.rows) - MOST_USERS
    return ["By user, time on one GPU divided among its users:", *lines, *([f"and {more} more"] if more > 0 else [])]


def _mean_sm(row: Row) -> str:
    return "" if row.mean_sm_percent is None else f", mean SM {row.mean_sm_percent:.0f} %"


def _hottest(gpus: Sequence[Row], start: float, end: float) -> list[str]:
    found = []
    for gpu in gpus:
        (answer,) = history(gpu.key, [_TEMPERATURE], start, end, _BUCKETS)
        found += [(high, at, gpu.label) for at, high in zip(answer.time, answer.high, strict=True) if high is not None]
    if not found:
        return []
    high, at, label = max(found, key=lambda each: (each[0], -each[1]))
    moment = datetime.fromtimestamp(at, timezone.get_default_timezone())
    return [f"Hottest: {label} with {high:.0f} °C, {moment:%a %d %b, %H:%M}."]


def _alerts(week: Week) -> str:
    fired = AlertEvent.objects.filter(fired_at__gte=week.start, fired_at__lt=week.end)
    counts = Counter(fired.values_list("severity", flat=True))
    if not counts:
        return "Alerts: none."
    named = [f"{counts[severity]} {severity}" for severity in reversed(SEVERITIES) if counts[severity]]
    return f"Alerts: {', '.join(named)}."


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
