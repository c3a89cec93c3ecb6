"""The week that a report is about, and when the report is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

SENT_FROM_HOUR = 8
"""On Mondays, in the server's time zone; later if the server does not run then, and for the last week only."""


class Week(NamedTuple):
    """From a Monday, 0:00, to the next, in the server's time zone."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """16–22 Nov 2026."""
        last = self.end - timedelta(days=1)
        first = f"{self.start.day}" if self.start.month == last.month else f"{self.start.day} {self.start:%b}"
        return f"{first}–{last.day} {last:%b %Y}"

    @property
    def span(self) -> tuple[float, float]:
        """Start and end in Unix seconds."""
        return self.start.timestamp(), self.end.timestamp()


def week_before(now: datetime) -> Week:
    """The last whole week that a report is due for."""
    zone = timezone.get_default_timezone()
    local = now.astimezone(zone) - timedelta(hours=SENT_FROM_HOUR)
    monday = local.date() - timedelta(days=local.weekday())
    start, end = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in (monday - timedelta(days=7), monday))
    return Week(start, end)
