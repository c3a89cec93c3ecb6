"""A rule as it was, in lines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.rules.making import Rule, Which
from monitor.rules.stored_rule import lines_of


def told(**changes: Any) -> dict[str, str]:
    rule = Rule(**{"id": 3, "name": "Hot", "kind": "threshold", "metric": "gpu.temperature_celsius", **changes})
    return dict(lines_of(msgspec.to_builtins(rule)))


def test_a_threshold_is_told_with_the_metrics_words_and_unit() -> None:
    lines = told(threshold=87.0, clear_threshold=80.0, for_seconds=30.0, severity="critical")
    assert lines["Condition"] == "temperature ≥ 87\u2009°C"
    assert lines["Clears beyond"] == "80\u2009°C"
    assert (lines["Fires after"], lines["Clears after"], lines["Severity"]) == ("30\u2009s", "at once", "critical")
    assert lines["GPUs"] == "all"


@pytest.mark.parametrize(
    ("distance", "limit"),
    [
        (0.0, "slowdown temperature"),
        (-3.0, "slowdown temperature − 3\u2009°C"),
        (2.0, "slowdown temperature + 2\u2009°C"),
    ],
)
def test_a_limit_of_the_card_itself_is_told_with_the_distance_from_it(distance: float, limit: str) -> None:
    assert told(relative_to="slowdown_temperature_celsius", threshold=distance)["Condition"] == f"temperature ≥ {limit}"


def test_other_kinds_tell_what_they_take() -> None:
    idle = told(kind="idle_held", metric="", held_memory_bytes=float(1 << 30), idle_percent=5.0)
    assert (idle["Held memory"], idle["Utilization below"]) == ("1.0\u2009GiB", "5\u2009%")
    xid = told(kind="xid", metric="", ignored_xids=frozenset({31, 13}))
    assert xid["Ignored Xids"] == "13, 31"
    assert "Condition" not in xid


def test_which_gpus_it_is_about_is_told() -> None:
    which = Which(indexes=frozenset({5, 1}), name_pattern="*H100*", mig="without")
    assert told(which=which)["GPUs"] == "index 1, 5 · named *H100* · not in MIG mode"


@pytest.mark.parametrize("kept", [None, {}, [], {"id": "x"}, {"kind": "other", "id": 1, "name": "n"}])
def test_what_another_version_kept_otherwise_gives_no_lines(kept: Any) -> None:
    assert lines_of(kept) == []
