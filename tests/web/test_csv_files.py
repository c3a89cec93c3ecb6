"""CSV files."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.csv_files import csv_response, csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://evil.example")'])
def test_text_that_a_spreadsheet_would_run_is_inert(text: str) -> None:
    assert csv_text(["name"], [[text]]).splitlines()[1].lstrip('"').startswith("'")


def test_numbers_and_unknown_values_stay_as_they_are() -> None:
    assert csv_text(["a", "b", "c"], [[-1.5, None, 3]]) == "a,b,c\r\n-1.5,,3\r\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_every_text_can_be_read_again(row: list[str]) -> None:
    written = csv_text(["x"] * len(row), [row])
    read = list(csv.reader(io.StringIO(written, newline="")))[1]
    assert [cell.removeprefix("'") for cell in read] == [cell.removeprefix("'") for cell in row]


def test_response_is_a_file_to_save() -> None:
    response = csv_response("gpumon-history", ["time"], [])
    assert response.headers["Content-Disposition"] == 'attachment; filename="gpumon-history.csv"'
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
