"""The weekly report to administrators: who used the GPUs, what it cost, what was held while idle, the hottest GPU, the alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from monitor.history.queries import history
from monitor.models import AlertEvent
from monitor.notifications.reports.addresses import address_of
from monitor.notifications.reports.settings import ReportSettings
from monitor.notifications.reports.week import Week, week_before
from monitor.notifications.reports.words import cost_and_co2, counted_gpus, energy, hours, mean_sm, money
from monitor.rules.choices import SEVERITIES
from monitor.usage.reports import Report, Row, usage

MOST_USERS = MOST_HOSTS = 20
"""Listed; the others are counted."""
_TEMPERATURE = "temperature_celsius"
_BUCKETS = 7 * 96


def title_and_text(created_at: datetime, settings: ReportSettings) -> tuple[str, str]:
    """Of the report that was added then. Reads both databases."""
    week = week_before(created_at)
    start, end = week.span
    by_user, by_gpu = usage(start, end, "user", prices=settings.prices), usage(start, end, "gpu")
    if not by_user.gpu_count:
        return f"GPU usage, {week.name}", "There are no records of this week."
    hosts = _hosts(start, end) if len(by_user.hosts) > 1 else []
    users = [*_users(by_user), *_without_address(by_user.rows, settings.address)]
    lines = [*_totals(by_user), *hosts, "", *users, "", *_hottest(by_gpu.rows, start, end), _alerts(week)]
    return f"GPU usage, {week.name}", "\n".join(lines)


def _totals(report: Report) -> list[str]:
    parts = (
        ("users", report.users_seconds),
        ("held by nobody", report.nobody_seconds),
        ("free", report.free_seconds),
        ("unknown", report.unknown_seconds),
    )
    named = [
        f"{name} {hours(seconds)} ({100 * seconds / report.gpu_seconds:.0f} %)" for name, seconds in parts if seconds
    ]
    prices = cost_and_co2(report, report.prices.currency)
    return [
        f"{counted_gpus(report.gpu_count)}{_of_hosts(report)}, {hours(report.gpu_seconds)} together: {', '.join(named)}.",
        f"Held while idle: {hours(report.total.idle_held_seconds)}. Energy: {energy(report.energy_joules)}.",
        *([" ".join(prices)] if prices else []),
    ]


def _of_hosts(report: Report) -> str:
    return f" of {len(report.hosts)} hosts" if len(report.hosts) > 1 else ""


def _hosts(start: float, end: float) -> list[str]:
    rows = usage(start, end, "host").rows
    lines = [
        f"· {row.label}: {counted_gpus(row.gpu_count)}, {hours(row.share_seconds)} used" for row in rows[:MOST_HOSTS]
    ]
    more = len(rows) - MOST_HOSTS
    return ["", "By host:", *lines, *([f"and {more} more"] if more > 0 else [])]


def _users(report: Report) -> list[str]:
    if not report.rows:
        return ["Nobody used the GPUs."]
    lines = [_user(row, report.prices.currency) for row in report.rows[:MOST_USERS]]
    more = len(report.rows) - MOST_USERS
    return ["By user, time on one GPU divided among its users:", *lines, *([f"and {more} more"] if more > 0 else [])]


def _user(row: Row, currency: str) -> str:
    cost = "" if row.cost is None else f", {money(row.cost, currency)}"
    return f"· {row.label}: {hours(row.share_seconds)}, idle-held {hours(row.idle_held_seconds)}{mean_sm(row)}{cost}"


def _without_address(rows: Sequence[Row], address: str | None) -> list[str]:
    """Who got no report of their own, because their name makes no mail address."""
    names = [row.key for row in rows if address is not None and row.key and address_of(row.key, address) is None]
    listed = [*names[:MOST_USERS], *([f"{len(names) - MOST_USERS} more"] if len(names) > MOST_USERS else [])]
    return [f"No report of their own, because the name makes no mail address: {', '.join(listed)}."] if names else []


def _hottest(gpus: Sequence[Row], start: float, end: float) -> list[str]:
    found = []
    for gpu in gpus:
        (answer,) = history(gpu.key, [_TEMPERATURE], start, end, _BUCKETS, host_id=gpu.host_id or "")
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
