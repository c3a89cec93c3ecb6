"""A rule is valid or refused with every problem at its field."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from monitor.rules.kinds.registry import KINDS
from monitor.rules.rule import Rule
from monitor.rules.validation import BadRule, indexes_of, make, xids_of
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT

HOT = {
    "name": "hot", "kind": "threshold", "metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90.0,
    "for_seconds": 10.0,
}  # fmt: skip


def made(**changes: Any) -> Rule:
    return make({**HOT, **changes}, IDLE_BY_DEFAULT)


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(BadRule) as raised:
        made(**changes)
    return raised.value.problems


def test_valid_rule_has_the_given_values() -> None:
    rule = made(id=4, clear_threshold=80.0, gpu_indexes="0, 2-3", gpus=["GPU-a"], hosts="dgx*", mig="only")
    assert (rule.id, rule.threshold, rule.clears_at, rule.for_seconds) == (4, 90, 80, 10)
    assert (rule.which.indexes, rule.which.uuids) == (frozenset({0, 2, 3}), frozenset({"GPU-a"}))


def test_clear_threshold_defaults_to_the_threshold() -> None:
    assert made().clears_at == 90


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"kind": "heat"}, "kind", "'heat' is not one of threshold"),
        ({"metric": ""}, "metric", "required"),
        ({"metric": "gpu.name"}, "metric", "'gpu.name' is unknown"),
        ({"comparator": "=="}, "comparator", "not one of >, >=, <, <="),
        ({"threshold": None}, "threshold", "required"),
        ({"clear_threshold": 95.0}, "clear_threshold", "at or below the threshold of 90"),
        ({"comparator": "<", "clear_threshold": 80.0}, "clear_threshold", "at or above"),
        ({"relative_to": "name"}, "relative_to", "'name' is not one of slowdown_temperature_celsius"),
        ({"metric": "system.cpu_percent", "relative_to": "power_limit_watts"}, "relative_to", "only a GPU metric"),
        ({"throttle": "thermal"}, "throttle", "not used by"),
        ({"for_seconds": -1.0}, "for_seconds", "0 to 2592000 s"),
        ({"clear_for_seconds": 1e9}, "clear_for_seconds", "out of range"),
        ({"gpu_indexes": "0;1"}, "gpu_indexes", "such as 0,2-5"),
        ({"gpu_indexes": "5-2"}, "gpu_indexes", "'5-2'"),
        ({"severity": "loud"}, "severity", "info, warning, critical"),
        ({"mig": "maybe"}, "mig", "any, only, without"),
        ({"kind": "xid", "metric": "", "comparator": "", "threshold": None, "ignored_xids": "13,x"}, "ignored_xids", "'x'"),
        ({"kind": "rise", "comparator": "", "threshold": 1.0}, "metric", "is not one of gpu.ecc"),
        ({"kind": "stale", "metric": "", "comparator": "", "threshold": 0.0}, "threshold", "greater than 0"),
        ({"kind": "xid", "metric": "", "comparator": "", "threshold": None}, "for_seconds", "or the rule never fires"),
        ({"kind": "rise", "metric": "gpu.pcie_replays", "comparator": ""}, "for_seconds", "or the rule never fires"),
    ],
)  # fmt: skip
def test_invalid_value_is_reported_at_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    assert words in problems(**changes)[field]


def test_all_problems_are_reported_at_once() -> None:
    assert problems(for_seconds=-1.0, gpu_indexes="x").keys() == {"for_seconds", "gpu_indexes"}


def test_empty_fields_of_an_idle_rule_default_to_the_settings() -> None:
    rule = make({"name": "idle", "kind": "idle_held"}, IDLE_BY_DEFAULT)
    assert (rule.held_memory_bytes, rule.idle_percent, rule.for_seconds) == (1 << 30, 5, 1800)
    own = {"name": "idle", "kind": "idle_held", "held_memory_mib": 2, "threshold": 1.0, "for_seconds": 0.0}
    rule = make(own, IDLE_BY_DEFAULT)
    assert (rule.held_memory_bytes, rule.idle_percent, rule.for_seconds) == (2 << 20, 1, 0)


def test_every_kind_has_a_default_rule_or_a_reason_not_to() -> None:
    rules = importlib.import_module("monitor.migrations.0003_default_rules").RULES
    for fields in rules:
        make(fields, IDLE_BY_DEFAULT)
    host_down = importlib.import_module("monitor.migrations.0024_many_hosts").HOST_DOWN
    make(host_down, IDLE_BY_DEFAULT)
    # Many sites share a GPU between users on purpose.
    assert {fields["kind"] for fields in (*rules, host_down)} == KINDS.keys() - {"several_users"}


def test_number_lists_accept_common_notations() -> None:
    assert indexes_of(" 0, 2-4 ,7") == {0, 2, 3, 4, 7}
    assert indexes_of("") == frozenset()
    assert xids_of("13, 31 43") == {13, 31, 43}
