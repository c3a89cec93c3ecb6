"""The readings that a rule's preview is asked for: the last 15 minutes in memory, or a span of the stored history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from monitor.formats import THIN

MEMORY, CHOSEN = "memory", "chosen"
HOUR = 3600.0
RANGES = {
    "1h": ("last hour", HOUR),
    "24h": (f"last 24{THIN}h", 24 * HOUR),
    "7d": (f"last 7{THIN}days", 7 * 24 * HOUR),
    "30d": (f"last 30{THIN}days", 30 * 24 * HOUR),
}
LONGEST_SECONDS = 366 * 24 * HOUR


class BadSpan(Exception):
    """What is wrong with the span, for people."""


class Choice(NamedTuple):
    """An option of the form."""

    value: str
    label: str


CHOICES = (
    Choice(MEMORY, f"last 15{THIN}min, in memory"),
    *(Choice(value, label) for value, (label, _seconds) in RANGES.items()),
    Choice(CHOSEN, "from … to …"),
)


class Asked(NamedTuple):
    """A span of the stored history, in Unix seconds."""

    start: float
    end: float


def asked_span(given: Mapping[str, str], now: datetime) -> Asked | None:
    """The span that the form asks for; None for the readings in memory. Raises BadSpan."""
    choice = given.get("preview_span", MEMORY)
    if choice == MEMORY:
        return None
    if choice in RANGES:
        return Asked(now.timestamp() - RANGES[choice][1], now.timestamp())
    if choice != CHOSEN:
        known = ", ".join(each.value for each in CHOICES)
        raise BadSpan(f"The readings {choice[:20]!r} must be one of: {known}.")
    start, end = (_moment(given, name, label) for name, label in (("preview_from", "From"), ("preview_to", "To")))
    if start >= end:
        raise BadSpan("“From” must be before “To”.")
    if end - start > LONGEST_SECONDS:
        raise BadSpan("The span must be a year at most.")
    return Asked(start, end)


def _moment(given: Mapping[str, str], name: str, label: str) -> float:
    """A date and time in the viewer's zone."""
    text = given.get(name, "").strip()
    if not text:
        raise BadSpan(f"“{label}” is missing: enter a date and a time.")
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise BadSpan(f"“{label}” {text[:30]!r} is not a date and time such as 2026-11-26T14:00.")
    return (timezone.make_aware(found) if timezone.is_naive(found) else found).timestamp()
