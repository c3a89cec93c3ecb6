"""The span of a usage report, as addresses name it: by name, by day, by time; with daylight saving."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from monitor.web.usage.span import UsageSpan, day_of, span_of

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 14, 45, tzinfo=BERLIN).timestamp()


def at(*day: int) -> float:
    return datetime(*day, tzinfo=BERLIN).timestamp()  # type: ignore[arg-type, misc]


def ends(**query: str) -> tuple[float, float]:
    span = span_of({name.rstrip("_"): value for name, value in query.items()}, NOW, BERLIN)
    return span.start, span.end


def test_ranges_end_now_and_months_are_those_of_the_calendar() -> None:
    assert ends() == ends(range="30d") == (NOW - 30 * 86400, NOW)
    assert ends(range="24h") == (NOW - 86400, NOW)
    assert ends(range="month") == (at(2026, 11, 1), NOW)
    assert ends(range="last-month") == (at(2026, 10, 1), at(2026, 11, 1))


def test_month_in_which_the_clock_changes_is_an_hour_longer() -> None:
    start, end = ends(range="last-month")
    assert end - start == 31 * 86400 + 3600


def test_day_as_the_end_is_a_whole_one_and_a_time_is_itself() -> None:
    assert ends(from_="2026-10-28", to="2026-10-29") == (at(2026, 10, 28), at(2026, 10, 30))
    assert ends(from_="2026-10-28T12:00", to="2026-10-28T12:00:00Z") == (at(2026, 10, 28, 12), at(2026, 10, 28, 13))
    assert ends(from_="1790000000", to="1790000060.5") == (1790000000.0, 1790000060.5)
    assert ends(from_="2026-10-28") == (at(2026, 10, 28), NOW)


def test_query_of_a_span_shows_it_again() -> None:
    for given in ({"range": "7d"}, {"from": "2026-10-28", "to": "2026-10-29"}):
        assert span_of(given, NOW, BERLIN).query == "&".join(f"{name}={value}" for name, value in given.items())
    assert isinstance(span_of({}, NOW, BERLIN), UsageSpan)
    assert day_of(at(2026, 10, 29) - 1, BERLIN) == "2026-10-28"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"range": "2h"}, "must be one of 24h, 7d"),
        ({"range": "7d", "from": "2026-10-28"}, "range cannot be combined"),
        ({"to": "2026-10-28"}, "to needs from"),
        ({"from": "yesterday"}, "such as 2026-11-26"),
        ({"from": "-5"}, "such as 2026-11-26"),
        ({"from": "1e300"}, "such as 2026-11-26"),
        ({"from": "nan"}, "such as 2026-11-26"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "must be|in the past"),
        ({"from": "2026-11-28"}, "in the past"),
        ({"from": "2026-10-28", "to": "2026-10-26"}, "after from"),
        ({"from": "1990-01-01"}, "at most 3660 days"),
    ],
)
def test_other_spans_are_refused_with_the_valid_values(query: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        span_of(query, NOW, BERLIN)
