"""The span of a usage report, from an address: `?range=30d`, or `?from=2026-10-28&to=2026-11-27`, days in the viewer's zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import NamedTuple
from urllib.parse import urlencode

from monitor.formats import THIN
from monitor.web.address_times import ends_of

DEFAULT = "30d"
LONGEST_DAYS = 3660
_VALID = "a day or a time, such as 2026-11-26 or 1790000000"
RANGES = {
    "24h": f"24{THIN}h",
    "7d": f"7{THIN}d",
    "30d": f"30{THIN}d",
    "month": "This month",
    "last-month": "Last month",
    "1y": f"1{THIN}y",
}
"""By name in addresses; how they are shown."""
_SECONDS = {"24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400, "1y": 365 * 86400}


class UsageSpan(NamedTuple):
    """From start to end, in Unix seconds."""

    start: float
    end: float
    range: str
    """One of RANGES; empty for a span given by its ends."""
    query: str
    """The query of an address that shows it again."""


def span_of(query: Mapping[str, str], now: float, zone: tzinfo) -> UsageSpan:
    """The span of the query. Raises ValueError with the problem and the valid values."""
    ends = ends_of(query, now, zone, valid=_VALID, to_ends_day=True)
    if ends is None:
        return _named(query.get("range") or DEFAULT, now, zone)
    start, end = ends
    given = {name: query[name] for name in ("from", "to") if query.get(name)}
    if not 0 < end - start <= LONGEST_DAYS * 86400:
        until = given.get("to", "now")
        raise ValueError(f"to is {until!r}; it must be after from, by at most {LONGEST_DAYS} days")
    return UsageSpan(start, end, "", urlencode(given))


def _named(name: str, now: float, zone: tzinfo) -> UsageSpan:
    if name not in RANGES:
        raise ValueError(f"range is {name!r}; it must be one of {', '.join(RANGES)}")
    start, end = now - _SECONDS.get(name, 0), now
    first = datetime.fromtimestamp(now, zone).replace(day=1)
    if name == "month":
        start = _midnight(first, zone)
    elif name == "last-month":
        end = _midnight(first, zone)
        start = _midnight((first - timedelta(days=1)).replace(day=1), zone)
    return UsageSpan(start, end, name, urlencode({"range": name}))


def _midnight(day: datetime, zone: tzinfo) -> float:
    return datetime.combine(day.date(), time.min, zone).timestamp()


def day_of(at: float, zone: tzinfo) -> str:
    """For a date field."""
    return datetime.fromtimestamp(at, zone).date().isoformat()
