"""Markdown tables, and their places in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bench.child import ROOT
from bench.machine import machine

_DOCUMENT = ROOT / "docs" / "benchmarks.md"


def measured_on() -> str:
    """The line above a table: the day and the machine."""
    return f"Measured on {datetime.now(UTC):%Y-%m-%d} on {machine()}."


def head(*cells: str, texts: int = 1) -> Iterator[str]:
    """The first two lines of a table. The first `texts` columns are aligned to the left, numbers to the right."""
    yield row(*cells)
    yield row(*["---"] * texts, *["---:"] * (len(cells) - texts))


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def write(section: str, lines: Sequence[str]) -> None:
    """Replace what is between `<!-- SECTION: begin -->` and `<!-- SECTION: end -->`."""
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    before, _, rest = _DOCUMENT.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    assert after, f"{_DOCUMENT} has no section {section}"
    _DOCUMENT.write_text("\n".join([before + begin, *lines, end + after]), encoding="utf-8")
