"""Fires when an error counter rises between two readings."""

from __future__ import annotations

from collections.abc import Collection

from monitor.rules.columns import Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import MetricKind, Words, detail_of, gpu_of
from monitor.rules.metrics import COUNTERS, label_of, metrics
from monitor.rules.rule import Rule


class Rise(MetricKind):
    name = "rise"
    label = "Counter increase"
    help = "An error counter rises by at least the threshold between two readings."
    needs = ("metric", "threshold")
    is_instant = True
    has_limit_on_chart = False
    why_not_stored = "the history stores no error counters"

    def metric_keys(self) -> Collection[str]:
        return COUNTERS

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        """A counter lower than before was reset, and counts from there."""
        column = tick.metric(metrics()[rule.metric].field, rule.which)
        values: list[float | None] = []
        for key, value in zip(column.keys, column.values, strict=True):
            if value is None:
                values.append(None)
                continue
            before = memory.get(key, value)
            memory[key] = value
            values.append(max(0.0, value - before))
        return Column(column.keys, values, column.gpus, details=column.values)

    def condition(self, rule: Rule) -> str:
        return f"{label_of(rule.metric)} rises by {metrics()[rule.metric].text(rule.threshold)} or more"

    def words(self, change: Change, tick: Tick) -> Words:
        metric, rise = metrics()[change.rule.metric], change.state.value or 0.0
        return Words(
            f"GPU {gpu_of(change).index}: {metric.label} rose by {metric.text(rise)} to {metric.text(detail_of(change))}",
            "",
            rise,
            change.rule.threshold,
            change.rule.metric,
        )

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return f"rise of {label_of(rule.metric)}"
