"""Parts of the sentences about rules: comparison signs, spans of time, thresholds."""

from __future__ import annotations

from collections.abc import Iterable

from monitor import formats
from monitor.rules.metrics import label_of, metrics
from monitor.rules.rule import Rule

SIGNS = {">": ">", ">=": "≥", "<": "<", "<=": "≤"}


def span_of(seconds: float) -> str:
    """60 s, 30 min; not 30 min 0 s."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:.0f}{formats.THIN}{unit}"
    return f"{seconds:g}{formats.THIN}s" if seconds < 120 else formats.duration(seconds)


def limit_of(rule: Rule, threshold: float) -> str:
    """A threshold of a rule with a metric: 90 °C, or slowdown temperature + 2 °C."""
    metric = metrics()[rule.metric]
    if not rule.relative_to:
        return metric.text(threshold)
    limit = label_of(f"gpu.{rule.relative_to}")
    if not threshold:
        return limit
    return f"{limit} {'−' if threshold < 0 else '+'} {metric.text(abs(threshold))}"


def listed(numbers: Iterable[int]) -> str:
    """1, 2, 5."""
    return ", ".join(map(str, sorted(numbers)))
