"""A rule stored with an alert, in lines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.rules.description import lines_of
from monitor.rules.rule import Rule, Which


def lines(**changes: Any) -> dict[str, str]:
    rule = Rule(**{"id": 3, "name": "Hot", "kind": "threshold", "metric": "gpu.temperature_celsius", **changes})
    return {title: text.replace("\u2009", " ") for title, text in lines_of(msgspec.to_builtins(rule))}


def test_threshold_has_the_label_and_unit_of_its_metric() -> None:
    assert lines(threshold=87.0, clear_threshold=80.0, for_seconds=30.0, severity="critical") == {
        "Kind": "Threshold",
        "Severity": "critical",
        "Condition": "temperature ≥ 87 °C (resolves at 80 °C)",
        "Fires after": "30 s",
        "Resolves after": "at once",
        "GPUs": "all",
    }


def test_hosts_of_a_rule_that_an_earlier_version_stored_are_kept() -> None:
    """Regression: open alerts of such rules would resolve at the upgrade, as if their rules had been edited."""
    kept: Any = msgspec.to_builtins(Rule(id=3, name="Lost", kind="gpu_lost"))
    kept["which"]["host_pattern"] = "dgx-*"
    assert msgspec.convert(kept, Rule).which == Which(hosts="dgx-*")
    assert lines(kind="gpu_lost", which=Which(hosts="dgx-*, tag:lab"))["GPUs"] == "host dgx-*, tag:lab"
    about_hosts = lines(kind="host_down", which=Which(hosts="tag:lab"))
    assert (about_hosts["Condition"], about_hosts["Hosts"], "GPUs" in about_hosts) == ("host down", "tag:lab", False)


@pytest.mark.parametrize(
    ("offset", "limit"),
    [
        (0.0, "slowdown temperature"),
        (-3.0, "slowdown temperature − 3 °C"),
        (2.0, "slowdown temperature + 2 °C"),
    ],
)
def test_threshold_relative_to_a_gpu_limit_has_its_offset(offset: float, limit: str) -> None:
    assert lines(relative_to="slowdown_temperature_celsius", threshold=offset)["Condition"] == f"temperature ≥ {limit}"


def test_condition_of_other_kinds_has_their_fields() -> None:
    idle = lines(kind="idle_held", metric="", held_memory_bytes=float(1 << 30), idle_percent=5.0)
    assert idle["Condition"] == "a process holds 1.0 GiB or more while utilization ≤ 5 %"
    xid = lines(kind="xid", metric="", ignored_xids=frozenset({31, 13}))
    assert xid["Condition"] == "a new Xid error other than 13, 31"


def test_selected_gpus_are_listed() -> None:
    which = Which(uuids=frozenset({"GPU-b", "GPU-a"}), indexes=frozenset({5, 1}), name_pattern="*H100*", mig="without")
    assert lines(which=which)["GPUs"] == "GPU-a · GPU-b · index 1, 5 · name *H100* · not in MIG mode"


def test_kind_or_metric_of_another_version_is_shown_as_far_as_known() -> None:
    kind = lines(kind="fan_stopped", for_seconds=60.0)
    assert (kind["Kind"], kind["Fires after"], kind.get("Condition")) == ("fan_stopped", "60 s", None)
    for metric in ("", "gpu.noise_decibels"):
        assert "Condition" not in lines(metric=metric)
    assert "Condition" not in lines(relative_to="noise_limit_decibels")


@pytest.mark.parametrize("kept", [None, {}, [], {"id": "x"}])
def test_unknown_format_yields_no_lines(kept: Any) -> None:
    assert lines_of(kept) == []
