"""`manage.py usage`: who used the GPUs, from the ledger, as a table or as CSV."""

from __future__ import annotations

import io
import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from monitor.formats import THIN
from monitor.runtime.effective_config import EffectiveConfig
from monitor.sanitize import visible
from monitor.usage.records import hosts
from monitor.usage.reports import GROUPINGS, Report, prices_of, usage
from monitor.web.api.usage import CSV_HEADER, csv_rows
from monitor.web.csv_files import csv_text
from monitor.web.usage.span import span_of
from monitor.web.usage.table import Line, UsageTable

_LAST = re.compile(r"([1-9][0-9]{0,3})(h|d|w|y)")
_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
COULD_NOT = 2
_MOST_NAMES = 50


class Command(BaseCommand):
    """Reads the ledger in the data folder, so it works beside a running server and without one."""

    help = "Print who used the GPUs."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--last", type=_seconds, metavar="SPAN", help="a span that ends now: 24h, 7d, 4w, 1y (default 7d)"
        )
        parser.add_argument("--from", dest="since", metavar="DAY", help="or from a day or time: 2026-11-02")
        parser.add_argument(
            "--to", dest="until", metavar="DAY", help="to the end of this day, or to a time (default now)"
        )
        parser.add_argument("--by", choices=GROUPINGS, default="user", help="what each row is about (default user)")
        parser.add_argument("--host", help="only this host, by its name or id (default all)")
        parser.add_argument("--csv", action="store_true", help="numbers for a spreadsheet instead of the table")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Exit status 2 with the reason if it fails."""
        start, end = _span(options)
        effective = EffectiveConfig(settings.GPU_MONITOR)
        effective.look()
        try:
            report = usage(
                start, end, options["by"], prices=prices_of(effective.config), host_id=_host_id(options["host"])
            )
        except DatabaseError as error:
            raise CommandError(f"the usage ledger cannot be read: {error}", returncode=COULD_NOT) from error
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        if options["csv"]:
            self.stdout.write(csv_text(CSV_HEADER, csv_rows(report)), ending="")
        elif report.recorded_from is None:
            self.stdout.write("Nothing is recorded yet.")
        else:
            self.stdout.write("\n".join(table_of(report)))


def _host_id(wanted: str | None) -> str | None:
    if wanted is None:
        return None
    known = hosts()
    for host_id, name in known.items():
        if wanted in (name, host_id or name):
            return host_id
    names = ", ".join([*known.values()][:_MOST_NAMES]) or "none"
    raise CommandError(f"no usage of a host {wanted!r} is recorded; known hosts: {names}", returncode=COULD_NOT)


def _seconds(text: str) -> float:
    found = _LAST.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a span such as 24h, 7d, 4w or 1y")
    return float(found[1]) * _SECONDS[found[2]]


def _span(options: dict[str, Any]) -> tuple[float, float]:
    now = time.time()
    if options["since"] is None and options["until"] is None:
        return now - (options["last"] or _SECONDS["w"]), now
    if options["last"] is not None:
        raise CommandError("--last cannot be combined with --from or --to", returncode=COULD_NOT)
    given = {name: options[key] for name, key in (("from", "since"), ("to", "until")) if options[key]}
    try:
        span = span_of(given, now, timezone.get_default_timezone())
    except ValueError as error:
        raise CommandError(str(error), returncode=COULD_NOT) from error
    return span.start, span.end


def table_of(report: Report) -> list[str]:
    """Lines of text: a heading, the columns with their units, the rows, the rest and the sum."""
    table = UsageTable(report, {}, has_rows=True, has_links=False)
    heads = [f"{column.title}{f' {column.unit}' if column.unit else ''}" for column in table.columns]
    rows = [[table.noun, *heads], *(_texts(line) for line in (*table.lines, *table.rest, table.sum))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(heads) + 1)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    if table.hidden_count:
        lines.insert(-4, f"and {table.hidden_count} more: use --csv")
    since, until = (
        datetime.fromtimestamp(at, UTC).astimezone(timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M")
        for at in (report.start, report.end)
    )
    count = f"{report.gpu_count} GPU{'' if report.gpu_count == 1 else 's'}"
    count += f" of {len(report.hosts)} hosts" if len(report.hosts) > 1 else ""
    return [f"{since} to {until}, {count}", "", *(line.rstrip().replace(THIN, " ") for line in lines)]


def _texts(line: Line) -> list[str]:
    return [visible(line.label), *("" if cell is None else cell.text for cell in line.cells)]
