"""The page of stored history: one metric of all GPUs and the host over each other, and what happened in the span."""

from __future__ import annotations

import json
import logging
import time
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
from monitor.history.store import HOST
from monitor.history.store import sources as stored_sources
from monitor.live.pieces import LivePage, Pieces
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.metric_lines import CHOICES, Choice, Line, lines_of, sources_of
from monitor.web.components.overview import notices_part, source_of, trouble
from monitor.web.components.range_bar import RangeBar
from monitor.web.pages.base_context import HtmxRequest, base_context
from monitor.web.pages.in_span import in_span
from monitor.web.snapshots import first_seen
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
    choice: Choice, gpus: Sequence[Gpu], span: Span, wanted: Sequence[str], users: Mapping[str, str]
) -> Compared:
    """Reads the figures of the table from the history. Blocks. `users`: of each GPU in the span, by its UUID."""
    named = [(gpu.uuid, f"GPU {gpu.index}") for gpu in gpus] + _gone(gpus, span)
    of = sources_of(choice, named)
    answers: list[Answer] = []
    for each in of:
        answers += stored(each.key, [each.metric], int(span.start), int(span.end) + 1, _POINTS)
    form = metric_of(choice.name).form
    field, word = _LIMITS.get(choice.name, ("", ""))
    limits = {getattr(gpu, field) for gpu in gpus} if field else set()
    limit = limits.pop() if len(limits) == 1 else None
    unit = f"{form.unit} in each bucket" if choice.is_sum else form.unit
    note = unit if limit is None else f"{form.unit} · dashed: {word} {form.text(limit)}"
    csv = {"gpu": ",".join(each.key for each in of), "metric": ",".join(dict.fromkeys(each.metric for each in of))}
    lines = [line._replace(users=users.get(line.source, "")) for line in lines_of(of, answers, wanted)]
    return Compared(choice, form, limit, note, lines, urlencode(csv))


async def _users_in(span: Span, *, has_details: bool) -> dict[str, str] | None:
    """Who used each GPU; None if the viewer may not see that, or the usage ledger cannot be read."""
    if not has_details:
        return None
    try:
        return await sync_to_async(users_of_gpus)(span.start, span.end)
    except DatabaseError as error:
        log.warning("the users of GPUs are left out, the usage ledger cannot be read: %s", error)
        return None


def _gone(gpus: Sequence[Gpu], span: Span) -> list[tuple[str, str]]:
    """UUID and name of the GPUs that the host no longer has, but had in the span."""
    here = {gpu.uuid for gpu in gpus}
    return [
        (
            row.key,
            f"GPU {row.index}, until {formatted(timezone.localtime(datetime.fromtimestamp(row.last_at, UTC)), 'j M')}",
        )
        for row in stored_sources()
        if row.key not in here and row.key != HOST and row.first_at < span.end and row.last_at > span.start
    ]


@opens_with_link
@vary_on_headers("HX-Request")
@never_cache
@require_safe
async def history_page(request: HtmxRequest) -> HttpResponse:
    """One metric of all GPUs over each other. htmx gets what happened in the span of the address."""
    snapshot = await first_seen(request)
    bar = RangeBar(request.GET.dict(), time.time(), DEFAULT_RANGE)
    names = {gpu.uuid: f"GPU {gpu.index}" for gpu in snapshot.gpus} | {HOST: "Host"}
    has_details = visitor_of(request).sees_details
    happened = await sync_to_async(in_span)(bar.span, names, has_details=has_details)
    users = await _users_in(bar.span, has_details=has_details)
    context: dict[str, Any] = {"bar": bar, "shown": happened, "users": users, "users_json": json.dumps(users or {})}
    if request.htmx:
        return render(request, "monitor/fragments/history/in_span.html", context)
    choice = next((each for each in CHOICES if each.name == request.GET.get("metric")), CHOICES[0])
    wanted = request.GET.get("gpu", "").split(",")
    try:
        chart = await sync_to_async(compared)(choice, snapshot.gpus, bar.span, wanted, users or {})
    except DatabaseError as error:
        chart = None
        context["problem"] = str(error)
    context |= {
        "page": HistoryPage(snapshot),
        "chart": chart,
        "csv": chart.csv if chart else "",
        "choices": CHOICES,
        **await base_context(request, LIVE_PAGE.name),
    }
    return render(request, "monitor/history.html", context)
