"""The span of time that a page or a request shows, from its address: `?range=24h`, or `?from=…&to=…`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.utils import timezone

from monitor.formats import THIN
from monitor.web.address_times import ends_of

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 10 * 366 * 86400.0
PARAMETERS = ("range", "from", "to")
_VALID = "a time, such as 1790000000 or 2026-11-26T13:45:00Z"


class Range(NamedTuple):
    """A span that ends now and moves on with the clock."""

    name: str
    """In addresses: 24h."""
    label: str
    """On pages: 24 h."""
    seconds: float


def _range(number: int, letters: str, unit: str, seconds: float) -> Range:
    return Range(f"{number}{letters}", f"{number}{THIN}{unit}", seconds)


RANGES = (
    _range(1, "min", "min", 60),
    _range(15, "min", "min", 900),
    _range(1, "h", "h", 3600),
    _range(6, "h", "h", 6 * 3600),
    _range(24, "h", "h", 86400),
    _range(7, "d", "d", 7 * 86400),
    _range(30, "d", "d", 30 * 86400),
    _range(1, "y", "y", 365 * 86400),
)
_BY_NAME = {each.name: each for each in RANGES}
NAMES = tuple(_BY_NAME)


class Span(NamedTuple):
    """From start to end, in Unix seconds."""

    start: float
    end: float
    range: Range | None
    """The range, if the span ends now and moves on; None for a fixed span."""

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def query(self) -> str:
        """The query of an address that shows this span again."""
        if self.range is not None:
            return urlencode({"range": self.range.name})
        return urlencode({"from": utc_text(self.start), "to": utc_text(self.end)})

    def moved(self, parts: float) -> Span:
        """The span before (-1) or after (1) this one."""
        by = parts * self.seconds
        return Span(self.start + by, self.end + by, None)


def utc_text(at: float) -> str:
    """2026-11-26T13:45:00Z, with milliseconds where there are any."""
    form = "seconds" if float(at).is_integer() else "milliseconds"
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=form).replace("+00:00", "Z")


def span_of(query: Mapping[str, str], now: float, default: str = "1h") -> Span:
    """The span of the query, or the range `default` if it names none. Raises ValueError with the problem and the valid values."""
    zone = timezone.get_current_timezone()  # without an offset, as the date fields of a page send it
    ends = ends_of(query, now, zone, valid=_VALID)
    if ends is None:
        name = query.get("range") or default
        if (wanted := _BY_NAME.get(name)) is None:
            raise ValueError(f"range is {name!r}; it must be one of {', '.join(NAMES)}")
        return Span(now - wanted.seconds, now, wanted)
    start, end = ends
    if end - start < SHORTEST_SECONDS:
        until = query.get("to") or "now"
        raise ValueError(f"to is {until!r}; it must be at least {SHORTEST_SECONDS:g} s after from")
    if end - start > LONGEST_SECONDS:
        raise ValueError(
            f"from and to are {(end - start) / 86400:.0f} days apart; at most {LONGEST_SECONDS / 86400:.0f} are shown"
        )
    return Span(start, end, None)
