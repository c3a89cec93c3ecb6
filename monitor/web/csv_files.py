"""CSV files that spreadsheets open safely: a text that one would take for a formula gets an apostrophe before it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from django.http import HttpResponse

Cell = str | float | None
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""OWASP, CSV Injection."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Header and rows, with CRLF as line ends (RFC 4180). None is an empty cell. Numbers stay as they are."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(header)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return written.getvalue()


def csv_response(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> HttpResponse:
    """A download. `name`: of the file, without its ending; ASCII."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse(csv_text(header, rows), content_type="text/csv; charset=utf-8", headers=headers)


def _inert(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_BEGINS_FORMULA) else cell
