"""Fires when a process that has exited still holds GPU memory."""

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


class ProcessGone(Kind):
    name = "process_gone"
    label = "Dead process holds memory"
    help = "A process that has exited still holds GPU memory."
    takes = ("held_memory_mib",)
    is_yes_or_no = True
    has_subjects_only_while_bad = True

    def values(self, given: Mapping[str, Any], idle: IdleLimits) -> dict[str, Any]:
        return {"held_memory_bytes": held_memory_bytes(given, idle)}

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        found = [
            each for each in tick.processes(rule.which) if each[2].status == "gone" and holds_enough(each[2], rule)
        ]
        values = [None if process.memory_used_bytes is None else 1.0 for _, _, process in found]
        return tick.of_processes(found, values, rule.which)

    def condition(self, rule: Rule) -> str:
        return f"an exited process still holds {formats.memory(rule.held_memory_bytes)} or more"

    def words(self, change: Change, tick: Tick) -> Words:
        process = process_of(change)
        held = float(process.memory_used_bytes or 0)
        return Words(
            f"GPU {gpu_of(change).index}: PID {process.pid} exited and still held {formats.memory(held)}",
            f"{owner_of(process)}. Another process may share its memory and still run (`fuser -v /dev/nvidia*`).",
            held,
            change.rule.held_memory_bytes,
            "process.memory_used_bytes",
        )

    def charted(self, rule: Rule) -> tuple[str, ...]:
        return ("process.memory_used_bytes", "gpu.utilization_percent")

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "held by a dead process"
