"""A rule in words, as the list of rules shows it."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.formats import THIN
from monitor.rules import validation
from monitor.rules.description import condition_of
from monitor.rules.kinds.registry import KINDS
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT

HOT = {"kind": "threshold", "metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90}


def words(**given: Any) -> str:
    rule = validation.make({"name": "x", **given}, IDLE_BY_DEFAULT)
    return condition_of(rule).replace(THIN, " ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (HOT, "temperature ≥ 90 °C"),
        ({**HOT, "for_seconds": 90}, "temperature ≥ 90 °C for 90 s"),
        (
            {**HOT, "relative_to": "slowdown_temperature_celsius", "threshold": 0, "for_seconds": 60},
            "temperature ≥ slowdown temperature for 60 s",
        ),
        (
            {**HOT, "relative_to": "slowdown_temperature_celsius", "threshold": -5, "clear_threshold": -8},
            "temperature ≥ slowdown temperature − 5 °C (resolves at slowdown temperature − 8 °C)",
        ),
        ({**HOT, "for_seconds": 0.5}, "temperature ≥ 90 °C for 0.5 s"),
        ({**HOT, "for_seconds": 200}, "temperature ≥ 90 °C for 3 min 20 s"),
        ({**HOT, "for_seconds": 7200}, "temperature ≥ 90 °C for 2 h"),
        ({**HOT, "clear_threshold": 80}, "temperature ≥ 90 °C (resolves at 80 °C)"),
        (
            {**HOT, "gpu_indexes": "0,2-3", "gpu_name_pattern": "*H100*", "gpus": ["GPU-1"], "mig": "without"},
            "temperature ≥ 90 °C (1 chosen GPU, index 0, 2, 3, name *H100*, not in MIG mode)",
        ),
        (
            {"kind": "threshold", "metric": "system.cpu_percent", "comparator": "<", "threshold": 5},
            "host: CPU < 5 %",
        ),
        (
            {"kind": "threshold", "metric": "process.memory_used_bytes", "comparator": ">", "threshold": 1 << 30},
            "process: memory used > 1.0 GiB",
        ),
        ({"kind": "stale", "threshold": 30}, "no fresh reading for 30 s"),
        ({"kind": "gpu_lost", "hosts": "dgx-*"}, "a GPU is lost (host dgx-*)"),
        ({"kind": "xid"}, "a new Xid error"),
        ({"kind": "xid", "ignored_xids": "31, 13"}, "a new Xid error other than 13, 31"),
        (
            {"kind": "rise", "metric": "gpu.ecc_uncorrected_volatile", "threshold": 1},
            "ECC uncorrected volatile rises by 1 or more",
        ),
        ({"kind": "throttled", "throttle": "any"}, "thermal or power throttling"),
        ({"kind": "several_users", "threshold": 2}, "2 or more users on one GPU"),
        ({"kind": "idle_held"}, "a process holds 1.0 GiB or more while utilization ≤ 5 % for 30 min"),
        ({"kind": "process_gone", "held_memory_mib": 512}, "an exited process still holds 512 MiB or more"),
        ({"kind": "gpu_count_fell"}, "fewer GPUs than before"),
    ],
)
def test_rule_is_described_in_words(given: dict[str, Any], said: str) -> None:
    assert words(**given) == said
    assert given["kind"] in KINDS
