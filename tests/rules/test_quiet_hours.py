"""Quiet hours: parsing, their meaning at each minute of a week, and error messages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.rules.quiet_hours import DAYS, Span, is_quiet, parse

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001  # quiet hours are about the wall clock
MINUTES = st.integers(0, 1439)


def at(day: str, time: str) -> datetime:
    hour, minute = time.split(":")
    return MONDAY + timedelta(days=DAYS.index(day), hours=int(hour), minutes=int(minute))


@pytest.mark.parametrize(
    ("text", "quiet", "loud"),
    [
        ("Mon-Fri 22:00-07:00", [("Mon", "22:00"), ("Sat", "06:59")], [("Mon", "06:59"), ("Sat", "07:00"), ("Sun", "23:00")]),
        ("Sat,Sun 00:00-24:00", [("Sat", "00:00"), ("Sun", "23:59")], [("Fri", "23:59"), ("Mon", "00:00")]),
        ("22:00-06:00", [("Wed", "22:00"), ("Wed", "05:59")], [("Wed", "06:00"), ("Wed", "21:59")]),
        ("fri-mon 1:00 – 2:00", [("Sun", "01:00"), ("Mon", "01:59")], [("Tue", "01:00"), ("Thu", "01:00")]),
        ("Monday 08:00-09:00;\n; Tue 08:00-09:00", [("Mon", "08:00"), ("Tue", "08:59")], [("Wed", "08:00")]),
        ("Sun 23:00-01:00", [("Sun", "23:00"), ("Mon", "00:59")], [("Sun", "00:30"), ("Mon", "01:00")]),
        ("", [], [("Mon", "00:00")]),
    ],
)  # fmt: skip
def test_quiet_hours_are_parsed(text: str, quiet: list[tuple[str, str]], loud: list[tuple[str, str]]) -> None:
    spans = parse(text)
    assert [moment for moment in quiet if not is_quiet(spans, at(*moment))] == []
    assert [moment for moment in loud if is_quiet(spans, at(*moment))] == []


@pytest.mark.parametrize(
    ("text", "piece", "wrong"),
    [
        ("Mon 22:00-07:00; Foo 10:00-11:00", "Foo 10:00-11:00", "'Foo' is not a day"),
        ("25:00-07:00", "25:00-07:00", "25:00 is not a time"),
        ("22:60-07:00", "22:60-07:00", "22:60 is not a time"),
        ("22:0-07:00", "22:0-07:00", "22:0 is not a time"),
        ("24:00-07:00", "24:00-07:00", "24:00 can only be an end"),
        ("22:00-24:01", "22:00-24:01", "24:01 is not a time"),
        ("07:00-07:00", "07:00-07:00", "begins and ends at the same time"),
        ("Mon-,Tue 07:00-08:00", "Mon-,Tue 07:00-08:00", "a day is missing"),
        ("at night", "at night", "expected days"),
        pytest.param("1" * 1_000_000, "1" * 20 + "…", "more than 200 characters", id="a megabyte of digits"),
    ],
)
def test_error_names_the_invalid_piece_and_an_example(text: str, piece: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)) as caught:
        parse(text)
    assert f"{piece!r}" in str(caught.value)
    assert "for example Mon-Fri 22:00-07:00" in str(caught.value)


@given(
    days=st.sets(st.integers(0, 6), min_size=1),
    start=MINUTES,
    length=st.integers(1, 1440),
    minute=st.integers(0, 7 * 1440 - 1),
)
def test_span_is_quiet_for_its_length_after_each_start(days: set[int], start: int, length: int, minute: int) -> None:
    end = (start + length) % 1440
    if length == 1440 and start != 0:
        length, end = 1439, (start + 1439) % 1440
    names = ",".join(DAYS[day] for day in sorted(days))
    last = "24:00" if end == 0 else f"{end // 60:02}:{end % 60:02}"
    spans = parse(f"{names} {start // 60:02}:{start % 60:02}-{last}")

    begun = [(minute - (day * 1440 + start)) % (7 * 1440) for day in days]
    assert is_quiet(spans, MONDAY + timedelta(minutes=minute)) == any(since < length for since in begun)


@given(st.text(alphabet="MonTueSat0123456789:-–,; \n", max_size=40))
def test_any_text_is_parsed_or_refused_with_a_message(text: str) -> None:
    spans: tuple[Span, ...] = ()
    complaint = "for example"
    try:
        spans = parse(text)
    except ValueError as error:
        complaint = str(error)
    assert "for example" in complaint
    assert all(span.days and span.start_minute < span.end_minute for span in spans)
