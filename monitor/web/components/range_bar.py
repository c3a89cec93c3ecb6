"""The bar that chooses the span a page shows: ranges that end now, the span before and after, and two date fields.

It works without a script, by links and a form; static/js/history/span.js shows a new span without loading the page again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.utils import timezone

from monitor.web.span import PARAMETERS, RANGES, Range, Span, span_of


class RangeLink(NamedTuple):
    range: Range
    query: str
    is_current: bool


class RangeBar:
    """`problem`: why the span of the address is not shown; then the default one is."""

    def __init__(self, query: Mapping[str, str], now: float, default: str) -> None:
        self.problem = ""
        try:
            self.span = span_of(query, now, default)
        except ValueError as error:
            self.problem = f"This span cannot be shown: {error}."
            self.span = span_of({}, now, default)
        self.kept = [(name, value) for name, value in query.items() if name not in PARAMETERS]
        """Other parameters of the address, which links and form keep."""
        self.links = [
            RangeLink(each, self._query(Span(now - each.seconds, now, each)), each == self.span.range)
            for each in RANGES
        ]
        self.earlier = self._query(self.span.moved(-1))
        later = self.span.moved(1)
        is_last = self.span.range is not None or later.start >= now
        self.later = "" if is_last else self._query(later)
        """Empty if the span after this one lies in the future."""
        self.start = datetime.fromtimestamp(self.span.start, UTC)
        self.end = datetime.fromtimestamp(self.span.end, UTC)

    def _query(self, span: Span) -> str:
        kept = urlencode(self.kept)
        return f"{kept}&{span.query}" if kept else span.query

    @property
    def start_field(self) -> str:
        """For an input of the type datetime-local, in the viewer's zone."""
        return _field(self.start)

    @property
    def end_field(self) -> str:
        return _field(self.end)


def _field(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S")
