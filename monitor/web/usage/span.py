"""The span of a usage report, from an address: `?range=30d`, or `?from=2026-10-28&to=2026-11-27`, days in the viewer's zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import NamedTuple
from urllib.parse import urlencode

from monitor.formats import THIN
from monitor.web.address_times import time_of

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
    name, since, until = (query.get(parameter, "") for parameter in ("range", "from", "to"))
    if not since and not until:
        return _named(name or DEFAULT, now, zone)
    if name:
        raise ValueError("range excludes from and to: give one of them")
    if not since:
        raise ValueError("to needs from")
    start = time_of("from", since, zone, valid=_VALID)
    end = time_of("to", until, zone, valid=_VALID, ends_day=True) if until else now
    if start >= now:
        raise ValueError(f"from is {since!r}; it must be in the past")
    if not 0 < end - start <= LONGEST_DAYS * 86400:
        raise ValueError(f"to is {until or 'now'!r}; it must be after from, by at most {LONGEST_DAYS} days")
    return UsageSpan(start, end, "", urlencode({"from": since, **({"to": until} if until else {})}))


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
