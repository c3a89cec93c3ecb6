"""Times in addresses, as Unix seconds or in ISO 8601: `?from=1790000000`, `?from=2026-11-26T13:45:00Z`, `?from=2026-11-26`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo

_DAY_LENGTH = len("2026-11-26")


def ends_of(
    query: Mapping[str, str], now: float, zone: tzinfo, *, valid: str, to_ends_day: bool = False
) -> tuple[float, float] | None:
    """The times of `from` and `to` (now if absent); None if the query has neither, and may have a `range`.

    Raises ValueError with the problem and with what is `valid`. `to_ends_day`: a day as `to` counts as a whole.
    """
    start_text, end_text = query.get("from", ""), query.get("to", "")
    if not start_text and not end_text:
        return None
    if query.get("range"):
        raise ValueError("range cannot be combined with from and to")
    if not start_text:
        raise ValueError("to needs from")
    start = time_of("from", start_text, zone, valid=valid)
    end = time_of("to", end_text, zone, valid=valid, ends_day=to_ends_day) if end_text else now
    if start >= now:
        raise ValueError(f"from is {start_text!r}; it must be in the past")
    return start, end


def time_of(name: str, text: str, zone: tzinfo, *, valid: str, ends_day: bool = False) -> float:
    """Unix seconds. Without an offset, the text is in this zone. With `ends_day` a day stands for its end, not its beginning.

    Raises ValueError with the parameter's `name`, and with what is `valid`.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = _iso(text, zone, ends_day=ends_day)
    try:
        if math.isfinite(seconds) and seconds >= 0:
            datetime.fromtimestamp(seconds, UTC)
            return seconds
    except (ValueError, OverflowError, OSError):
        pass  # the same error as for a text that is no time
    raise ValueError(f"{name} is {text!r}; it must be {valid}")


def _iso(text: str, zone: tzinfo, *, ends_day: bool) -> float:
    """NaN if the text is no time."""
    try:
        at = datetime.fromisoformat(text)
        if ends_day and len(text) <= _DAY_LENGTH:
            at += timedelta(days=1)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        return math.nan
