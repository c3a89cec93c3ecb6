"""Fires when processes of several users are on one GPU."""

from __future__ import annotations

from monitor.rules.columns import Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words, detail_of, gpu_of
from monitor.rules.rule import Rule
from monitor.telemetry.schema import Alert


class SeveralUsers(Kind):
    name = "several_users"
    label = "Multiple users"
    help = "Processes of at least the given number of users are on one GPU."
    needs = ("threshold",)
    threshold_unit = "users"
    threshold_help = "number of users"
    reports_worst = True

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        """If some processes' users are unknown, the known users can reach the threshold, but not fall short of it."""
        keys, gpus = tick.selected(rule.which)
        users = [sorted({process.user for process in gpu.processes or () if process.user is not None}) for gpu in gpus]
        values: list[float | None] = []
        for gpu, names in zip(gpus, users, strict=True):
            is_known = gpu.processes is not None and gpu.state == "ok"
            is_whole = all(process.user is not None or process.status == "gone" for process in gpu.processes or ())
            values.append(float(len(names)) if is_known and (is_whole or len(names) >= rule.threshold) else None)
        return Column(keys, values, gpus, details=users)

    def condition(self, rule: Rule) -> str:
        return f"{rule.threshold:g} or more users on one GPU"

    def words(self, change: Change, tick: Tick) -> Words:
        users = detail_of(change)
        return Words(
            _sentence(gpu_of(change).index, len(users)),
            ", ".join(users),
            float(len(users)),
            change.rule.threshold,
        )

    def summary_of_worst(self, alert: Alert, rule: Rule) -> str:
        return alert.summary if alert.worst_value is None else _sentence(alert.gpu_index, alert.worst_value)

    def charted(self, rule: Rule) -> tuple[str, ...]:
        return ("gpu.memory_used_bytes", "gpu.utilization_percent")

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "users"


def _sentence(gpu_index: int | None, count: float) -> str:
    return f"GPU {gpu_index} was used by {count:.0f} users"
