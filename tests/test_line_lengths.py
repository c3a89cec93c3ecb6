"""Templates and styles are reviewed like code: their lines are no longer than the code's."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 120


@pytest.mark.parametrize(("folder", "pattern"), [("templates", "*.html"), ("static/css", "*.css")])
def test_no_line_is_longer_than_120_characters(folder: str, pattern: str) -> None:
    files = sorted((ROOT / folder).rglob(pattern))
    assert files
    too_long = [
        f"{path.relative_to(ROOT)}:{number}: {len(line)}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST
    ]
    assert too_long == []


def test_no_column_is_styled_by_its_position() -> None:
    """A new column once shifted the widths of all columns after it."""
    styles = sorted((ROOT / "static" / "css").glob("*.css"))
    assert [path.name for path in styles if ":nth-" in path.read_text()] == []
