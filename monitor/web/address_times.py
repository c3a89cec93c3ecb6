"""Times in addresses, as Unix seconds or in ISO 8601: `?from=1790000000`, `?from=2026-11-26T13:45:00Z`, `?from=2026-11-26`."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo

_DAY_LENGTH = len("2026-11-26")


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
