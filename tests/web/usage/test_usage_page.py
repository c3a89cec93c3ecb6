"""The usage page and /api/usage over weeks of rows: bar, table and CSV agree, and viewers without details see no name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import pytest
from django.template.loader import render_to_string

from monitor.usage.heat import heat
from monitor.usage.reports import Prices
from monitor.web.api.usage import HIDDEN_COMMANDS, answer, report_of, wanted_of
from monitor.web.pages.usage import UsagePage, read_usage
from tests.support.snapshots import gpu, host
from tests.web.usage.ledger_rows import PEOPLE, SLICE, fill

pytestmark = pytest.mark.django_db(databases=["default", "history"])
NOW = 1_800_000_000.0
PRICES = Prices(per_kwh=0.28, per_gpu_hour=1.9, currency="EUR")


@pytest.fixture
def rows() -> None:
    fill(NOW, days=3)


NEEDS_ROWS = pytest.mark.usefixtures("rows")


def page(query: Mapping[str, str] | None = None, *, has_details: bool = True, prices: Prices = PRICES) -> UsagePage:
    given = {"from": str(NOW - 3 * 86400), "to": str(NOW), **(query or {})}
    made = UsagePage(host(gpu()), given, NOW, UTC, has_details=has_details)
    made.fill(read_usage(made.wanted, prices, UTC, NOW))
    return made


def html_of(made: UsagePage) -> str:
    return "".join(
        render_to_string(f"monitor/fragments/usage/{name}.html", {"page": made, **context})
        for name, context in (
            ("range_bar", {}),
            ("totals", {}),
            ("bar", {"bar": made.bar}),
            ("table", {"table": made.table}),
            ("heat_map", {"heat": made.heat}),
        )
    )


def hours(text: str) -> float:
    return float(text.replace("\u202f", ""))


@NEEDS_ROWS
@pytest.mark.parametrize("by", ["user", "container", "gpu"])
def test_rows_and_rest_of_the_table_add_up_to_gpus_times_time(by: str) -> None:
    table = page({"by": by}).table
    share = [column.name for column in table.columns].index("share")
    shown = [line.cells[share] for line in (*table.lines, *table.rest)]
    total = table.sum.cells[share]
    assert total is not None
    assert hours(total.text) == 8 * 72
    assert sum(hours(cell.text) for cell in shown if cell) == pytest.approx(8 * 72, abs=0.05 * len(shown))


@NEEDS_ROWS
def test_parts_of_the_bar_fill_it_and_have_the_hues_of_their_users() -> None:
    bar = page().bar
    assert sum(part.seconds for part in bar.segments) == pytest.approx(8 * 72 * 3600)
    assert float(bar.segments[-1].x) + float(bar.segments[-1].width) == pytest.approx(1000, abs=2)
    named = {part.label: part.kind for part in bar.segments}
    assert named["mira"] == "1"
    assert {label: kind for label, kind in named.items() if kind.isdigit()}.items() <= {
        name: str(hue) for hue, name in enumerate(PEOPLE, 1)
    }.items()
    assert bar.what == "8 GPUs × 3\u2009d"


@NEEDS_ROWS
def test_page_sorts_by_any_column_both_ways() -> None:
    down, up = page({"sort": "idle"}).table, page({"sort": "idle:asc"}).table
    idle = [column.name for column in down.columns].index("idle")
    values = [hours(cell.text) for line in down.lines if (cell := line.cells[idle])]
    assert values == sorted(values, reverse=True)
    assert [line.label for line in up.lines][-1] == down.lines[0].label
    assert [heading.aria_sort for heading in up.headings if heading.aria_sort] == ["ascending"]
    assert page({"sort": "nonsense"}).table.sorted_by == "share"


@NEEDS_ROWS
def test_column_of_cost_is_there_with_a_price_only() -> None:
    assert "cost" in [column.name for column in page().table.columns]
    made = page(prices=Prices())
    assert {"cost", "co2"}.isdisjoint(column.name for column in made.table.columns)
    assert [figure.more for figure in made.figures if figure.title == "Cost"] == ["no price is set"]


@NEEDS_ROWS
def test_names_are_escaped_and_the_whole_page_renders() -> None:
    html = html_of(page())
    assert "&lt;b&gt;ninth&lt;/b&gt;" in html
    assert "<b>ninth" not in html
    assert 'aria-current="true">User</a>' in html


@NEEDS_ROWS
def test_viewer_without_details_sees_totals_and_gpus_but_no_user() -> None:
    made = page({"by": "user"}, has_details=False)
    html = html_of(made)
    assert [name for name in (*PEOPLE, "trainer") if f">{name}" in html or f"{name}:" in html] == []
    assert {part.kind for part in made.bar.segments} <= {"used", "nobody", "free", "unknown"}
    assert made.table.by == "gpu"
    assert "Group by" not in html


def test_wrong_address_is_named_and_the_default_shown() -> None:
    made = UsagePage(host(gpu()), {"range": "2h"}, NOW, UTC, has_details=True)
    assert "range is '2h'" in made.problem
    assert (made.wanted.span.range, made.view) == ("30d", {})


@NEEDS_ROWS
def test_heat_map_has_a_field_an_hour_and_says_what_it_shows() -> None:
    made = page({"heat": "free"}).heat
    assert made.title == "Free GPUs by hour"
    assert [len(fields) for _, fields in made.days] == [24] * 7
    known = [field for _, fields in made.days for field in fields if field.level]
    assert len(known) == 72
    assert all(0 <= int(field.level) <= 10 for field in known)
    assert heat(NOW - 3 * 86400, NOW, UTC).most == 8


def api(has_details: bool = True, **query: str) -> Any:
    wanted = wanted_of({"range": "7d", **query}, NOW, UTC)
    return answer(wanted, report_of(wanted, PRICES, has_details=has_details, now=NOW))


@NEEDS_ROWS
def test_api_answers_the_report() -> None:
    report = json.loads(api().content)
    parts = [report[f"{part}_seconds"] for part in ("users", "nobody", "free", "unknown")]
    assert sum(parts) == pytest.approx(report["gpu_seconds"])
    assert (report["by"], report["rows_hidden"], report["prices"]["currency"]) == ("user", None, "EUR")
    assert {row["key"] for row in report["rows"]} <= set(PEOPLE)


@NEEDS_ROWS
def test_api_shows_totals_only_to_viewers_without_details() -> None:
    for by in ("user", "container", "program", "command", "job"):
        response = api(has_details=False, by=by)
        report = json.loads(response.content)
        assert report["rows"] == [], by
        assert report["users_seconds"] > 0
        assert "by=gpu" in report["rows_hidden"]
        assert not any(name.encode() in response.content for name in ("mira", "trainer", "python")), by
    assert len(json.loads(api(has_details=False, by="gpu").content)["rows"]) == 8


@NEEDS_ROWS
def test_commands_are_for_viewers_who_may_see_command_lines() -> None:
    wanted = wanted_of({"range": "7d", "by": "command"}, NOW, UTC)
    report = report_of(wanted, PRICES, has_details=True, has_commands=False, now=NOW)
    assert (report.rows, report.rows_hidden) == ((), HIDDEN_COMMANDS)
    made = UsagePage(host(gpu()), {"by": "command"}, NOW, UTC, has_details=True, has_commands=False)
    assert made.by == "program"
    assert "by=command" not in "".join(link.query for link in made.groupings)
    assert made.problem == ""


@NEEDS_ROWS
def test_csv_has_the_same_numbers_and_is_safe_in_a_spreadsheet() -> None:
    report, response = json.loads(api().content), api(format="csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="usage-by-user.csv"'
    lines = list(csv.DictReader(io.StringIO(response.content.decode())))
    shares = {line["name"]: float(line["share_hours"]) for line in lines}
    for row in report["rows"]:
        name = f"'{row['label']}" if row["label"].startswith("=") else row["label"]
        assert shares[name] == pytest.approx(row["share_seconds"] / 3600, abs=1e-4)
    assert shares["GPUs × time"] == pytest.approx(report["gpu_seconds"] / 3600, abs=1e-4)
    assert [line["name"] for line in lines if line["kind"] == "state"] == ["held by nobody", "free", "unknown"]


@pytest.mark.parametrize("query", [{"by": "room"}, {"format": "xml"}, {"users": "mira"}, {"range": "2h"}])
def test_api_refuses_other_parameters(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"must be one of|must be json or csv|unknown parameter"):
        wanted_of(query, NOW, UTC)


def test_rows_end_with_a_whole_slice() -> None:
    assert NOW % SLICE == 0, "the numbers above count on it"
