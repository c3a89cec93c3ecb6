"""The page of stored history: one metric of a host and all its GPUs over each other, and what happened in the span."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from monitor.access.middleware import opens_with_link
from monitor.access.visitor import visitor_of
from monitor.formats import Form
from monitor.history.metrics import metric_of
from monitor.history.queries import Answer
from monitor.history.store import HOST, OWN
from monitor.history.store import hosts as recorded_names
from monitor.history.store import sources as stored_sources
from monitor.live.pieces import LivePage, Pieces
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web.api.hosts import NoSuchHost
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.metric_lines import CHOICES, Choice, Line, lines_of, sources_of
from monitor.web.components.overview import notices_part, source_of, trouble
from monitor.web.components.range_bar import RangeBar
from monitor.web.hosts.missing import no_such_host
from monitor.web.pages.base_context import HtmxRequest, base_context
from monitor.web.pages.in_span import in_span
from monitor.web.recorded_hosts import RecordedHost, seen_host
from monitor.web.span import Span
from monitor.web.stored_history import stored
from monitor.web.usage.gpu_users import users_of_gpus

log = logging.getLogger(__name__)

DEFAULT_RANGE = "6h"
_POINTS = 100
"""Enough for the figures of the table: each bucket has its mean, minimum and maximum."""
_LIMITS = {
    "temperature_celsius": ("slowdown_temperature_celsius", "slowdown"),
    "power_watts": ("power_limit_watts", "limit"),
}


class HistoryPage:
    """Everything live on the page. The chart fetches its own data."""

    is_history = True
    """For the header."""

    def __init__(self, snapshot: Snapshot) -> None:
        live = LivePieces()
        self.snapshot = snapshot
        self.source = live.text("source", source_of(snapshot))
        self.notices = notices_part(snapshot, live)
        self.banner = Banner(snapshot, live)
        what, self.level = trouble(snapshot)
        self.title = f"{what} · {snapshot.host}" if what else f"History · {snapshot.host}"
        self.pieces = Pieces(live.parts, live.values, self.title, self.level)


LIVE_PAGE = LivePage("history", lambda snapshot: HistoryPage(snapshot).pieces, has_charts=False, has_details=False)


class Compared(NamedTuple):
    """The chart and its table."""

    choice: Choice
    form: Form
    limit: float | None
    """If all GPUs have the same."""
    note: str
    lines: Sequence[Line]
    csv: str
    """The query of /api/history for all lines, without the span."""


def compared(
    choice: Choice,
    gpus: Sequence[Gpu],
    span: Span,
    wanted: Sequence[str],
    users: Mapping[str, str],
    host: RecordedHost,
) -> Compared:
    """Reads the figures of the table from the history. Blocks. `users`: of each GPU in the span, by its UUID."""
    named = [(gpu.uuid, f"GPU {gpu.index}") for gpu in gpus] + _gone(gpus, span, host.host_id)
    of = sources_of(choice, named)
    answers: list[Answer] = []
    for each in of:
        start, end = int(span.start), int(span.end) + 1
        answers += stored(each.key, [each.metric], start, end, _POINTS, host_id=host.host_id)
    form = metric_of(choice.name).form
    field, word = _LIMITS.get(choice.name, ("", ""))
    limits = {getattr(gpu, field) for gpu in gpus} if field else set()
    limit = limits.pop() if len(limits) == 1 else None
    unit = f"{form.unit} in each bucket" if choice.is_sum else form.unit
    note = unit if limit is None else f"{form.unit} · dashed: {word} {form.text(limit)}"
    csv = {"gpu": ",".join(each.key for each in of), "metric": ",".join(dict.fromkeys(each.metric for each in of))}
    if not host.is_own:
        csv["host"] = host.in_addresses if host.has_pages else host.host_id
    lines = [line._replace(users=users.get(line.source, "")) for line in lines_of(of, answers, wanted)]
    return Compared(choice, form, limit, note, lines, urlencode(csv))


async def _users_in(span: Span, host_id: str, *, has_details: bool) -> dict[str, str] | None:
    """Who used each GPU; None if the viewer may not see that, or the usage ledger cannot be read."""
    if not has_details:
        return None
    try:
        return await sync_to_async(users_of_gpus)(span.start, span.end, host_id=host_id)
    except DatabaseError as error:
        log.warning("the users of GPUs are left out, the usage ledger cannot be read: %s", error)
        return None


def _gone(gpus: Sequence[Gpu], span: Span, host_id: str) -> list[tuple[str, str]]:
    """UUID and name of the GPUs that the host no longer has, but had in the span."""
    here = {gpu.uuid for gpu in gpus}
    return [
        (
            row.key,
            f"GPU {row.index}, until {formatted(timezone.localtime(datetime.fromtimestamp(row.last_at, UTC)), 'j M')}",
        )
        for row in stored_sources(host_id)
        if row.key not in here and row.key != HOST and row.first_at < span.end and row.last_at > span.start
    ]


class HostChoice(NamedTuple):
    """A host with history."""

    value: str
    """For the address; empty for the host that answers."""
    name: str
    is_chosen: bool


def _hosts(chosen: RecordedHost, names: Mapping[str, str]) -> list[HostChoice]:
    """This server's own host first. Where two have a name, addresses call them by their ids."""
    names = {OWN: names.get(OWN, ""), chosen.host_id: chosen.name, **names}
    times = Counter(names.values())
    return [
        HostChoice(host_id and (name if times[name] == 1 else host_id), name or "this host", host_id == chosen.host_id)
        for host_id, name in names.items()
    ]


@opens_with_link
@vary_on_headers("HX-Request")
@never_cache
@require_safe
async def history_page(request: HtmxRequest) -> HttpResponse:
    """One metric of all GPUs of a host over each other. htmx gets what happened in the span of the address."""
    try:
        host, snapshot = await seen_host(request, request.GET.get("host"), recorded_names)
    except NoSuchHost as error:
        return await no_such_host(request, error)
    bar = RangeBar(request.GET.dict(), time.time(), DEFAULT_RANGE)
    names = {gpu.uuid: f"GPU {gpu.index}" for gpu in snapshot.gpus} | {HOST: "Host"}
    has_details = visitor_of(request).sees_details
    happened = await sync_to_async(in_span)(bar.span, names, has_details=has_details, host_id=host.host_id)
    users = await _users_in(bar.span, host.host_id, has_details=has_details)
    context: dict[str, Any] = {"bar": bar, "shown": happened, "users": users, "users_json": json.dumps(users or {})}
    if request.htmx:
        return render(request, "monitor/fragments/history/in_span.html", context)
    choice = next((each for each in CHOICES if each.name == request.GET.get("metric")), CHOICES[0])
    wanted = request.GET.get("gpu", "").split(",")
    try:
        chart = await sync_to_async(compared)(choice, snapshot.gpus, bar.span, wanted, users or {}, host)
        context["hosts"] = _hosts(host, await sync_to_async(recorded_names)())
    except DatabaseError as error:
        chart = None
        context["problem"] = str(error)
    context |= {
        "page": HistoryPage(snapshot),
        "chart": chart,
        "csv": chart.csv if chart else "",
        "host": host,
        "choices": CHOICES,
        **await base_context(request, LIVE_PAGE.name if host.has_pages else None, host=host.in_addresses),
    }
    return render(request, "monitor/history.html", context)
