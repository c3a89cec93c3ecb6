"""`manage.py usage`: the table and the CSV of a span, and the reasons for refusing one."""

from __future__ import annotations

import csv
import io
import time

import pytest
from django.core.management import CommandError, call_command

from tests.web.usage.ledger_rows import PEOPLE, fill

pytestmark = pytest.mark.django_db(databases=["default", "history"])


def printed(*arguments: str) -> str:
    written = io.StringIO()
    call_command("usage", *arguments, stdout=written)
    return written.getvalue()


def test_table_ends_in_the_same_sum_as_its_rows() -> None:
    fill(time.time(), days=2)
    heading, _, columns, *lines = printed("--last", "7d").splitlines()
    assert heading.endswith(", 8 GPUs")
    assert columns.split("  ")[0] == "User"
    assert len({len(line) for line in (columns, *lines) if line.endswith("%")}) == 1, "the columns are aligned"
    assert [line.split("  ")[0] for line in lines[-4:]] == ["held by nobody", "free", "unknown", "GPUs × time"]
    share = columns.index("Share h") + len("Share h")
    numbers = [float(line[:share].split()[-1]) for line in lines]
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1], abs=0.05 * len(lines))


def test_csv_has_a_row_for_each_user_and_is_safe_in_a_spreadsheet() -> None:
    fill(time.time(), days=2)
    rows = list(csv.DictReader(io.StringIO(printed("--last", "1w", "--csv"))))
    users = {row["name"].removeprefix("'") for row in rows if row["kind"] == "user"}
    assert users <= set(PEOPLE)
    assert not any(row["name"].startswith("=") for row in rows)


def test_empty_ledger_says_so() -> None:
    assert printed() == "Nothing is recorded yet.\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--last", "5x"], "'5x' is not a span such as 24h"),
        (["--last", "7d", "--from", "2026-11-02"], "--last cannot be combined with --from or --to"),
        (["--to", "2026-11-02"], "to needs from"),
        (["--from", "yesterday"], "such as 2026-11-26"),
    ],
)
def test_other_spans_are_refused(arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        printed(*arguments)
