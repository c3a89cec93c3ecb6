"""Weekly quiet hours as people write them: `Mon-Fri 22:00-07:00; Sat,Sun 00:00-24:00`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MINUTES_A_DAY = 24 * 60
_EXAMPLE = "for example Mon-Fri 22:00-07:00, or 22:00-06:00 for every day"
_LONGEST_PIECE = 200
"""Characters. All days in full with their times take 68."""
_TIMES = re.compile(r"(?<!\d)(?P<start>\d++:\d++)\s*+[-–]\s*+(?P<end>\d++:\d++)\Z")
_TIME = re.compile(r"(\d{1,2}):(\d\d)")


class Span(NamedTuple):
    """A weekly time span, by the days on which it begins."""

    days: frozenset[int]
    """0 is Monday."""
    start_minute: int
    """Minutes after midnight, 0 to 1439."""
    end_minute: int
    """Minutes after midnight of the first day, up to 2879: above 1440 it ends on the next day."""


def parse(text: str) -> tuple[Span, ...]:
    """The spans of a text, one per line or separated by semicolons; none for an empty text.

    Raises ValueError with the invalid piece, the reason and an example.
    """
    pieces = (piece.strip() for piece in text.replace("\n", ";").split(";"))
    return tuple(_span(piece) for piece in pieces if piece)


def is_quiet(spans: tuple[Span, ...], local: datetime) -> bool:
    """Whether a moment of the wall clock is in a span: from its first minute up to, but not including, its end."""
    minute, day = local.hour * 60 + local.minute, local.weekday()
    yesterday = (day - 1) % 7
    return any(
        (day in span.days and span.start_minute <= minute < span.end_minute)
        or (yesterday in span.days and minute < span.end_minute - _MINUTES_A_DAY)
        for span in spans
    )


def _span(piece: str) -> Span:
    if len(piece) > _LONGEST_PIECE:
        raise _error(f"{piece[:20]}…", f"it has more than {_LONGEST_PIECE} characters")
    match = _TIMES.search(piece)
    if match is None:
        raise _error(piece, "expected days, then a start and an end time")
    before = piece[: match.start()].rstrip()
    start = _minute(match["start"], piece)
    end = _minute(match["end"], piece)
    if start == _MINUTES_A_DAY:
        raise _error(piece, "24:00 can only be an end; start at 00:00 of the next day")
    if start == end:
        raise _error(piece, "it begins and ends at the same time; a whole day is 00:00-24:00")
    days = _days(before, piece) if before else frozenset(range(7))
    return Span(days, start, end if end > start else end + _MINUTES_A_DAY)


def _minute(time: str, piece: str) -> int:
    match = _TIME.fullmatch(time)
    hour, minute = (int(match[1]), int(match[2])) if match else (99, 99)
    if minute > 59 or hour * 60 + minute > _MINUTES_A_DAY:
        raise _error(piece, f"{time} is not a time from 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str, piece: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (each.strip() for each in part.replace("–", "-").partition("-"))
        start = _day(first, piece)
        end = _day(last, piece) if dash else start
        found.update((start + offset) % 7 for offset in range((end - start) % 7 + 1))
    return frozenset(found)


def _day(word: str, piece: str) -> int:
    for day, full in enumerate(_FULL):
        if word.lower() in (full, full[:3]):
            return day
    raise _error(
        piece,
        f"{word!r} is not a day ({', '.join(DAYS)})" if word else "a day is missing before or after a comma or dash",
    )


def _error(piece: str, wrong: str) -> ValueError:
    return ValueError(f"Quiet hours {piece!r}: {wrong}; {_EXAMPLE}.")
