"""The page /usage: totals, one bar, a table and a heat map of a span; without a script, and without live content."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.access.visitor import visitor_of
from monitor.formats import THIN
from monitor.runtime.process import runtime
from monitor.telemetry.schema import Snapshot
from monitor.usage.heat import Heat, heat
from monitor.usage.records import hosts as hosts_with_usage
from monitor.usage.reports import GROUPINGS, Prices, Report, groupings_for, prices_of, usage
from monitor.web.api.usage import Wanted, wanted_of
from monitor.web.pages.base_context import StillPage, base_context
from monitor.web.snapshots import first_seen_of_all
from monitor.web.usage import numbers
from monitor.web.usage.bar import UsageBar
from monitor.web.usage.heat_map import HeatMap
from monitor.web.usage.span import RANGES, day_of
from monitor.web.usage.table import NOUNS, UsageTable


class Link(NamedTuple):
    label: str
    query: str
    is_current: bool


class Figure(NamedTuple):
    """One of the totals."""

    title: str
    number: str
    unit: str
    more: str
    meter: str = ""


class UsageRead(NamedTuple):
    """What the page needs of the database."""

    report: Report
    by_user: Report
    heat: Heat


class UsagePage(StillPage):
    def __init__(
        self,
        snapshot: Snapshot,
        query: Mapping[str, str],
        now: float,
        zone: tzinfo,
        *,
        has_details: bool,
        has_commands: bool = True,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        """`hosts`: names of those with usage, by id."""
        super().__init__(snapshot, "Usage")
        self.problem = ""
        self.has_details = has_details
        kept = {name: value for name, value in query.items() if name in ("host", "range", "from", "to", "by") and value}
        known = groupings_for(has_details=has_details, has_commands=has_commands)
        kept.setdefault("by", "user")
        self._choose_host(kept, hosts or {})
        if kept["by"] in GROUPINGS and kept["by"] not in known:
            kept["by"] = "program" if has_details else "gpu"
        try:
            self.wanted = wanted_of(kept, now, zone)
        except ValueError as error:
            self.problem = f"This report cannot be shown: {error}."
            self.wanted = wanted_of({"by": "user" if has_details else "gpu"}, now, zone)
        if len(self.hosts) < 2 and self.wanted.by != "host":
            known = tuple([by for by in known if by != "host"])
        span, by = self.wanted.span, self.wanted.by
        self.ranges = [
            Link(label, self._query(f"range={name}", by), name == span.range) for name, label in RANGES.items()
        ]
        self.groupings = [Link(NOUNS[each][0], self._query(span.query, each), each == by) for each in known]
        self.first_day, self.last_day = day_of(span.start, zone), day_of(max(span.start, span.end - 1), zone)
        self.by = by
        self.csv_query = f"{self._query(span.query, by)}&format=csv"
        chosen = {name: query[name] for name in ("sort", "heat") if query.get(name)}
        self.view = {**({} if self.problem else kept), **chosen}
        """The query of this view, for links that change one thing of it."""

    def _choose_host(self, query: Mapping[str, str], hosts: Mapping[str, str]) -> None:
        """The host of the address, by its name or id; without one, all."""
        self.hosts = sorted(hosts.values())
        self.host, self.host_id = query.get("host", ""), None
        if self.host:
            found = [host_id for host_id, name in hosts.items() if self.host in (name, host_id or name)]
            if found:
                self.host_id = found[0]
                self.host = hosts[found[0]]
            else:
                self.problem = f"No usage of a host {self.host[:100]!r} is recorded: all hosts are shown."
                self.host = ""

    def _query(self, span: str, by: str) -> str:
        return f"{span}&{urlencode({'by': by, **({'host': self.host} if self.host else {})})}"

    def fill(self, read: UsageRead) -> None:
        """Take over what was read."""
        report = read.report
        self.report = report
        self.recorded_from = _recorded_from(report)
        self.figures = list(_figures(report, read.by_user, has_details=self.has_details))
        self.bar = UsageBar(read.by_user, has_users=self.has_details)
        self.table = UsageTable(report, self.view, has_rows=True)
        self.heat = HeatMap(read.heat, self.view)
        self.is_filled = True

    is_filled = False


def _recorded_from(report: Report) -> datetime | None:
    """Where the records begin, if that is within the span."""
    since = report.recorded_from
    return None if since is None or since <= report.start else datetime.fromtimestamp(since, UTC)


def _figures(report: Report, by_user: Report, *, has_details: bool) -> list[Figure]:
    total, prices = report.total, report.prices
    used = numbers.percent(numbers.share(report.users_seconds, report.gpu_seconds), 1)
    idle = numbers.percent(numbers.share(total.idle_held_seconds, report.users_seconds), 1)
    worst = max(by_user.rows, key=lambda row: row.idle_held_seconds, default=None)
    by_worst = "" if not has_details or worst is None or worst.idle_held_seconds < 3600 else (
        f" · {worst.label} {numbers.grouped(worst.idle_held_seconds / 3600)}{THIN}h"
    )  # fmt: skip
    known = report.gpu_seconds - report.unknown_seconds
    figures = [
        Figure("GPU-hours used", _whole_hours(report.users_seconds), f"/ {_whole_hours(report.gpu_seconds)}",
               f"{used} of GPUs × time"),
        Figure("Held while idle", _whole_hours(total.idle_held_seconds), "h", f"{idle} of use{by_worst}"),
        Figure("Mean SM", numbers.DASH if total.mean_sm_percent is None else f"{total.mean_sm_percent:.0f}", "%", "",
               meter="" if total.mean_sm_percent is None else f"{total.mean_sm_percent:.0f}"),
        Figure("Energy", numbers.kilowatt_hours(report.energy_joules), "kWh", _energy_in_words(report)),
    ]  # fmt: skip
    if report.cost is not None:
        figures.append(Figure("Cost", numbers.money(report.cost, prices.currency), "", _prices_in_words(prices)))
    elif report.co2_grams is not None:
        figures.append(Figure("CO₂", numbers.co2(report.co2_grams), "", f"{prices.co2_grams_per_kwh:g} g per kWh"))
    else:
        figures.append(Figure("Cost", numbers.DASH, "", "no price is set"))
    coverage = numbers.share(known, report.gpu_seconds)
    text = numbers.DASH if coverage is None else f"{coverage:.1f}"
    figures.append(Figure("Coverage", text, "%", f"{_whole_hours(report.unknown_seconds)} GPU-hours unknown"))
    return figures


def _whole_hours(seconds: float) -> str:
    """Whole from 100 hours on."""
    value = seconds / 3600
    return numbers.grouped(value) if value >= 100 else numbers.hours(seconds)


def _energy_in_words(report: Report) -> str:
    words = "at least" if report.unknown_seconds > 60 else "all GPUs"
    if report.co2_grams is not None and report.cost is not None:
        return f"{words} · {numbers.co2(report.co2_grams)} CO₂"
    return f"{words}, from counters"


def _prices_in_words(prices: Prices) -> str:
    words = [
        f"{numbers.money(price, prices.currency)} per {unit}"
        for price, unit in ((prices.per_gpu_hour, "GPU-hour"), (prices.per_kwh, "kWh"))
        if price is not None
    ]
    return " · ".join(words)


def read_usage(wanted: Wanted, prices: Prices, zone: tzinfo, now: float, host_id: str | None = None) -> UsageRead:
    """Read the ledger, of a host or of all. Not in an event loop."""
    span = wanted.span
    report = usage(span.start, span.end, wanted.by, prices=prices, host_id=host_id, now=now)
    by_user = report
    if wanted.by != "user":
        by_user = usage(span.start, span.end, "user", prices=prices, host_id=host_id, now=now)
    return UsageRead(report, by_user, heat(span.start, span.end, zone, host_id))


@never_cache
@require_safe
async def usage_page(request: HttpRequest) -> HttpResponse:
    """`?range=30d` or `?from=&to=`, `&host=`, `&by=user`, `&sort=idle`, `&heat=free`."""
    snapshot = await first_seen_of_all(request)
    visitor = visitor_of(request)
    zone = timezone.get_current_timezone()
    now = time.time()
    seen = partial(UsagePage, has_details=visitor.sees_details, has_commands=visitor.sees_commands)
    status = 200
    page = seen(snapshot, request.GET.dict(), now, zone)
    try:
        hosts = await sync_to_async(hosts_with_usage)()
        page = seen(snapshot, request.GET.dict(), now, zone, hosts=hosts)
        prices = prices_of(runtime().config)
        page.fill(await sync_to_async(read_usage)(page.wanted, prices, zone, now, page.host_id))
    except DatabaseError as error:
        page.problem, status = f"The usage ledger cannot be read: {error}.", 503
    context = {"page": page, **await base_context(request, None, is_of_fleet=not page.host)}
    return render(request, "monitor/usage.html", context, status=status)
