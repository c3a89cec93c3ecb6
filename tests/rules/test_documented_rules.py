"""docs/alerts.md is correct: it names every kind with its fields, and its example file is valid."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from monitor.alerts.rules_yaml import FIELDS, read
from monitor.rules import validation
from monitor.rules.kinds.registry import KINDS
from monitor.rules.rule import Rule
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT
from monitor.telemetry.recent import KEPT_SECONDS, MOST_BYTES

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()


def make(given: Any) -> Rule:
    return validation.make(given, IDLE_BY_DEFAULT)


def names(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`(\w+)`", cell))


def test_each_kind_is_listed_with_its_required_and_optional_fields() -> None:
    table = TEXT.partition("## Kinds\n")[2].partition("\n## ")[0]
    listed = {
        kind: (names(needs), names(takes))
        for kind, needs, takes in re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|([^|]*)\|$", table, re.MULTILINE)
    }
    assert listed == {name: (kind.needs, kind.takes) for name, kind in KINDS.items()}


def test_each_field_is_listed() -> None:
    table = TEXT.partition("## Fields\n")[2].partition("\n#")[0]
    first = " ".join(re.findall(r"^\| (`[^|]*)\|", table, re.MULTILINE))
    assert names(first) == FIELDS


def test_example_file_is_valid() -> None:
    file = textwrap.dedent(re.findall(r"(?:^    .*\n)+", TEXT.partition("### The file\n")[2], re.MULTILINE)[0])
    assert [make(entry.given()).kind for entry in read(file)] == ["threshold", "idle_held"]


def test_documented_limits_match_the_code() -> None:
    for told in (
        f"last {KEPT_SECONDS / 60:.0f} minutes",
        f"{MOST_BYTES / 1e6:.0f} MB",
    ):
        assert told in TEXT
