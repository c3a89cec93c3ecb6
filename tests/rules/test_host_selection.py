"""Which hosts a rule applies to."""

from __future__ import annotations

import pytest

from monitor.rules.host_selection import selects
from monitor.rules.validation import problems_of


@pytest.mark.parametrize(
    ("text", "is_selected"),
    [
        ("", True),
        ("gpu07", True),
        ("GPU*", True),
        ("gpu0", False),
        ("gpu08, tag:Lab", True),
        ("tag:h*", True),
        ("tag:h1", False),
        ("lab", False),
        (" , gpu08 ,", False),
        (",", True),
    ],
)
def test_host_is_selected_by_name_or_tag(text: str, is_selected: bool) -> None:
    assert selects(text, "gpu07", ("lab", "h100")) is is_selected


def test_tag_without_a_name_is_refused_with_an_example() -> None:
    found = problems_of({"kind": "gpu_lost", "severity": "info", "mig": "any", "hosts": "gpu07, tag:"})
    assert found == {
        "hosts": "“tag:” names no tag: separate names and tags by commas, such as dgx-01, rack2-*, tag:lab"
    }
