"""The bar that chooses a span."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.utils import timezone

from monitor.web.components.range_bar import RangeBar

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC).timestamp()


def test_links_keep_the_other_parameters_of_the_address() -> None:
    bar = RangeBar({"metric": "power_watts", "range": "24h"}, NOW, "15min")
    assert [link.range.name for link in bar.links if link.is_current] == ["24h"]
    assert bar.links[0].query == "metric=power_watts&range=1min"
    assert bar.kept == [("metric", "power_watts")]


def test_range_that_ends_now_has_only_an_earlier_span() -> None:
    bar = RangeBar({}, NOW, "1h")
    assert bar.earlier == "from=2026-11-26T10%3A00%3A00Z&to=2026-11-26T11%3A00%3A00Z"
    assert bar.later == ""


def test_fixed_span_has_a_later_one_up_to_now() -> None:
    assert RangeBar({"from": "2026-11-26T09:00Z", "to": "2026-11-26T10:00Z"}, NOW, "1h").later == (
        "from=2026-11-26T10%3A00%3A00Z&to=2026-11-26T11%3A00%3A00Z"
    )
    assert RangeBar({"from": "2026-11-26T11:00Z", "to": "2026-11-26T12:00Z"}, NOW, "1h").later == ""


def test_date_fields_are_in_the_viewers_zone() -> None:
    with timezone.override(ZoneInfo("Asia/Kolkata")):
        bar = RangeBar({"range": "1h"}, NOW, "1h")
        assert (bar.start_field, bar.end_field) == ("2026-11-26T16:30:00", "2026-11-26T17:30:00")


def test_span_that_cannot_be_shown_is_named_and_replaced_by_the_default() -> None:
    bar = RangeBar({"range": "2h"}, NOW, "15min")
    assert bar.problem.startswith("This span cannot be shown: range is '2h'; it must be")
    assert bar.span.seconds == 900
