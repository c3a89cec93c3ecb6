"""Fires when a GPU falls off the bus or stops responding."""

from __future__ import annotations

from monitor.rules.columns import Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words, gpu_of
from monitor.rules.rule import Rule


class GpuLost(Kind):
    name = "gpu_lost"
    label = "GPU lost"
    help = "A GPU has fallen off the bus or stopped responding."
    is_yes_or_no = True

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        keys, gpus = tick.selected(rule.which)
        return Column(keys, [1.0 if gpu.state == "lost" else 0.0 for gpu in gpus], gpus)

    def stored(self, rule: Rule) -> tuple[str, ...] | None:
        """The history says when a GPU was lost."""
        return ()

    def condition(self, rule: Rule) -> str:
        return "a GPU is lost"

    def words(self, change: Change, tick: Tick) -> Words:
        gpu = gpu_of(change)
        return Words(
            f"GPU {gpu.index} was lost: it fell off the bus or stopped responding",
            f"{gpu.name}, {gpu.uuid}. Look for an Xid in the kernel log (`dmesg`); a reboot may bring the GPU back.",
        )

    def charted(self, rule: Rule) -> tuple[str, ...]:
        return ("gpu.temperature_celsius", "gpu.power_watts")

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "lost"
