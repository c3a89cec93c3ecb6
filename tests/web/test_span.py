"""Spans from addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.span import RANGES, Range, Span, span_of

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC).timestamp()


def test_range_ends_now() -> None:
    span = span_of({"range": "24h"}, NOW)
    assert (span.start, span.end, span.range) == (NOW - 86400, NOW, RANGES[4])
    assert span_of({}, NOW, "15min").seconds == 900


def test_fixed_span_is_given_in_unix_seconds_or_iso_8601() -> None:
    expected = Span(NOW - 7200, NOW - 3600, None)
    assert span_of({"from": f"{NOW - 7200}", "to": f"{NOW - 3600}"}, NOW) == expected
    assert span_of({"from": "2026-11-26T10:00:00Z", "to": "2026-11-26T12:00+01:00"}, NOW) == expected
    assert span_of({"from": f"{NOW - 7200}"}, NOW).end == NOW


def test_date_fields_are_in_the_viewers_zone() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        span = span_of({"from": "2026-11-26T19:00:00", "to": "2026-11-26T20:00"}, NOW)
    assert span == Span(NOW - 7200, NOW - 3600, None)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"range": "2h"}, "range is '2h'; it must be one of 1min, 15min, 1h, 6h, 24h, 7d, 30d, 1y"),
        ({"range": "1h", "from": "1790000000"}, "range cannot be combined with from and to"),
        ({"to": "1790000000"}, "to needs from"),
        ({"from": "yesterday"}, "from is 'yesterday'; it must be a time, such as 1790000000 or 2026-11-26T13:45:00Z"),
        ({"from": "nan"}, "from is 'nan'"),
        ({"from": "1e300"}, "from is '1e300'"),
        ({"from": "-5"}, "from is '-5'"),
        ({"from": "2026-13-01"}, "from is '2026-13-01'"),
        ({"from": "1790000000", "to": "1790000000"}, "to is '1790000000'; it must be at least 1 s after from"),
        ({"from": "1790000000", "to": "1780000000"}, "to is '1780000000'; it must be at least 1 s after from"),
        ({"from": "2027-01-01T00:00Z"}, "from is '2027-01-01T00:00Z'; it must be in the past"),
        ({"from": "0"}, "days apart; at most 3660 are shown"),
    ],
)
def test_invalid_span_is_named_with_the_valid_values(query: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError) as error:
        span_of(query, NOW)
    assert told in str(error.value)


@given(st.integers(0, 9 * 365 * 86400_000), st.integers(1000, 365 * 86400_000))
def test_address_of_a_span_shows_the_same_span_again(milliseconds_ago: int, milliseconds: int) -> None:
    start = NOW - 1 - milliseconds_ago / 1000
    span = Span(start, start + milliseconds / 1000, None)
    again = span_of(dict(parse_qsl(span.query)), NOW)
    assert (again.start, again.end) == pytest.approx((span.start, span.end), abs=0.0011)
    assert again.range is None


@pytest.mark.parametrize("each", RANGES, ids=lambda each: each.name)
def test_address_of_a_range_shows_the_same_range_again(each: Range) -> None:
    assert span_of(dict(parse_qsl(span_of({"range": each.name}, NOW).query)), NOW).range == each
