"""Fires when a process holds memory while its GPU is idle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor import formats
from monitor.rules.columns import Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import (
    Kind,
    Words,
    gpu_of,
    held_memory_bytes,
    holds_enough,
    owner_of,
    process_of,
)
from monitor.rules.rule import Rule
from monitor.telemetry.gpu_use import IdleLimits


class IdleHeld(Kind):
    name = "idle_held"
    label = "Idle memory"
    help = "A process holds memory while its GPU is idle. Empty fields use the site's settings."
    takes = ("held_memory_mib", "threshold")
    threshold_unit = "%"
    threshold_help = "highest utilization that counts as idle, in percent"
    is_yes_or_no = True

    def values(self, given: Mapping[str, Any], idle: IdleLimits) -> dict[str, Any]:
        """Its threshold is a utilization; what it compares is whether the GPU is idle, 1 or 0."""
        threshold, for_seconds = given.get("threshold"), given.get("for_seconds")
        return {
            "threshold": 1.0,
            "idle_percent": idle.utilization_percent if threshold is None else threshold,
            "held_memory_bytes": held_memory_bytes(given, idle),
            "for_seconds": 60.0 * idle.minutes if for_seconds is None else float(for_seconds),
        }

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        """Processes that hold enough; one that frees its memory is no longer among the subjects."""
        found = [each for each in tick.processes(rule.which) if holds_enough(each[2], rule)]
        values = [
            None
            if gpu.utilization_percent is None or process.memory_used_bytes is None
            else float(gpu.utilization_percent <= rule.idle_percent)
            for _, gpu, process in found
        ]
        return tick.of_processes(found, values, rule.which)

    def condition(self, rule: Rule) -> str:
        held = formats.memory(rule.held_memory_bytes)
        return f"a process holds {held} or more while utilization ≤ {rule.idle_percent:g} %"

    def words(self, change: Change, tick: Tick) -> Words:
        process, rule = process_of(change), change.rule
        held = float(process.memory_used_bytes or 0)
        return Words(
            f"GPU {gpu_of(change).index}: PID {process.pid} held {formats.memory(held)} while the GPU was idle",
            f"{owner_of(process)}. Utilization was at most {rule.idle_percent:g} %.",
            held,
            rule.held_memory_bytes,
            "process.memory_used_bytes",
        )

    def charted(self, rule: Rule) -> tuple[str, ...]:
        return ("process.memory_used_bytes", "gpu.utilization_percent")

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "idle memory"
