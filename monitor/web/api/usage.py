"""`GET /api/usage`: who used the GPUs in a span, as JSON or CSV. Who may not see who runs what gets the totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import NamedTuple

import msgspec
from django.http import HttpResponse

from monitor.access.responses import json_response
from monitor.usage.reports import GROUPINGS, By, Prices, Report, Use, groupings_for, usage
from monitor.web.api.parameters import refuse_unknown
from monitor.web.csv_files import Cell, csv_response
from monitor.web.usage.span import UsageSpan, span_of

PARAMETERS = ("host", "range", "from", "to", "by", "format")
FORMATS = ("json", "csv")
HIDDEN = "Only viewers who may see who runs what see who used the GPUs: log in, or use by=gpu or by=host."
HIDDEN_COMMANDS = "Only viewers who may see command lines see commands: use by=program."
CSV_HEADER = (
    "kind", "name", "occupied_hours", "share_hours", "gib_hours", "mean_sm_percent", "zero_hours", "idle_held_hours",
    "energy_kwh", "cost", "currency", "co2_kg", "coverage_percent",
)  # fmt: skip


class UsageReport(Report, frozen=True, kw_only=True):
    """The answer of /api/usage. users_seconds + nobody_seconds + free_seconds + unknown_seconds = gpu_seconds."""

    rows_hidden: str | None
    """Why `rows` is empty for this viewer; null if it is not."""


class Wanted(NamedTuple):
    """A request for usage."""

    span: UsageSpan
    by: By
    format: str


def wanted_of(query: Mapping[str, str], now: float, zone: tzinfo) -> Wanted:
    """From the query. Raises ValueError with the problem and the valid values."""
    refuse_unknown(query, PARAMETERS)
    by, form = query.get("by", "user"), query.get("format", "json")
    if by not in GROUPINGS:
        raise ValueError(f"by is {by!r}; it must be one of {', '.join(GROUPINGS)}")
    if form not in FORMATS:
        raise ValueError(f"format is {form!r}; it must be {' or '.join(FORMATS)}")
    return Wanted(span_of(query, now, zone), by, form)


def report_of(
    wanted: Wanted,
    prices: Prices,
    *,
    has_details: bool,
    has_commands: bool = True,
    host_id: str | None = None,
    now: float | None = None,
) -> UsageReport:
    """Read the ledger, of a host or of all. Not in an event loop. `now`: to test."""
    report = usage(wanted.span.start, wanted.span.end, wanted.by, prices=prices, host_id=host_id, now=now)
    hidden = None
    if wanted.by not in groupings_for(has_details=has_details, has_commands=has_commands):
        hidden = HIDDEN_COMMANDS if has_details else HIDDEN
    given = {name: getattr(report, name) for name in report.__struct_fields__}
    return UsageReport(**{**given, "rows": () if hidden else report.rows}, rows_hidden=hidden)


def answer(wanted: Wanted, report: UsageReport) -> HttpResponse:
    """In the format that was asked for."""
    if wanted.format == "json":
        return json_response(report)
    return csv_response(f"usage-by-{wanted.by}", CSV_HEADER, csv_rows(report))


def csv_rows(report: Report) -> Iterator[list[Cell]]:
    """The rows, what nobody had, and the sum, with numbers for programs."""
    currency = report.prices.currency if report.cost is not None else ""
    for row in report.rows:
        yield [report.by, row.label, *_figures(row, currency)]
    for name, seconds in (
        ("held by nobody", report.nobody_seconds),
        ("free", report.free_seconds),
        ("unknown", report.unknown_seconds),
    ):
        yield ["state", name, None, _hours(seconds), *[None] * (len(CSV_HEADER) - 4)]
    whole = msgspec.structs.replace(
        report.total, share_seconds=report.gpu_seconds, energy_joules=report.energy_joules, cost=report.cost,
        co2_grams=report.co2_grams,
    )  # fmt: skip
    yield ["total", "GPUs × time", *_figures(whole, currency)]


def _figures(use: Use, currency: str) -> list[Cell]:
    return [
        _hours(use.occupied_seconds),
        _hours(use.share_seconds),
        _hours(use.gib_seconds),
        None if use.mean_sm_percent is None else round(use.mean_sm_percent, 2),
        _hours(use.zero_seconds),
        _hours(use.idle_held_seconds),
        round(use.energy_joules / 3.6e6, 4),
        None if use.cost is None else round(use.cost, 4),
        currency or None,
        None if use.co2_grams is None else round(use.co2_grams / 1000, 4),
        None if use.coverage is None else round(100 * use.coverage, 3),
    ]


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 4)
