"""Fires when a host shows fewer GPUs than it did before."""

from __future__ import annotations

from monitor.rules.columns import HOST, Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words, detail_of
from monitor.rules.rule import Rule


class GpuCountFell(Kind):
    name = "gpu_count_fell"
    label = "Fewer GPUs"
    help = "The host shows fewer GPUs than the most seen since this rule was last edited."
    why_not_stored = "the history does not store how many GPUs the host showed"

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        count = sum(gpu.state != "lost" for gpu in tick.selected(rule.which)[1])
        most = max(memory.get("most", 0), count)
        memory["most"] = most
        return Column([HOST], [float(most - count)], details=[(count, most)])

    def condition(self, rule: Rule) -> str:
        return "fewer GPUs than before"

    def words(self, change: Change, tick: Tick) -> Words:
        count, most = detail_of(change)
        return Words(
            f"{tick.snapshot.host} fell from {most} to {count} GPU{'' if count == 1 else 's'}",
            "If the other GPUs were removed on purpose, disable and re-enable this rule: it then counts from the GPUs present.",
            float(count),
            float(most),
        )

    def charted(self, rule: Rule) -> tuple[str, ...]:
        return ("health.gpu_count",)

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "GPUs missing"
