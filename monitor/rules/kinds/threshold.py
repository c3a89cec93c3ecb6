"""Compares a metric with a number, or with a limit of the GPU itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.rules.columns import HOST, Column, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import CLEARED, MetricKind, Words, gpu_of, owner_of, process_of
from monitor.rules.metrics import health_value, label_of, metrics
from monitor.rules.phrases import SIGNS, limit_of
from monitor.rules.rule import Rule
from monitor.telemetry.schema import Alert


class Threshold(MetricKind):
    name = "threshold"
    label = "Threshold"
    help = "Compares a metric with a number or with a limit of the GPU itself."
    needs = ("metric", "comparator", "threshold")
    takes = ("clear_threshold", "relative_to")
    reports_worst = True
    why_not_stored = "the history stores readings of GPUs and of the host, neither processes nor how old readings were"

    def problems(self, given: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        if given.get("relative_to") and not str(given["metric"]).startswith("gpu."):
            found["relative_to"] = "only a GPU metric can be compared with a limit of the GPU"
        threshold, clear = given["threshold"], given.get("clear_threshold")
        is_upward = str(given["comparator"]).startswith(">")
        if clear is not None and (clear > threshold if is_upward else clear < threshold):
            found["clear_threshold"] = (
                f"{clear:g} is out of range: it must be {'at or below' if is_upward else 'at or above'} "
                f"the threshold of {threshold:g}, or the alert never resolves"
            )
        return found

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        metric = metrics()[rule.metric]
        if metric.of == "gpu":
            if rule.relative_to:
                return tick.distance(metric.field, rule.relative_to, rule.which)
            return tick.metric(metric.field, rule.which)
        if metric.of == "process":
            return tick.process_metric(metric.field, rule.which)
        if metric.of == "system":
            system = tick.snapshot.system
            return Column([HOST], [None if system is None else getattr(system, metric.field)])
        return Column([HOST], [health_value(tick.snapshot, metric.field)])

    def is_of_host(self, rule: Rule) -> bool:
        return metrics()[rule.metric].of in ("system", "health")

    def stored(self, rule: Rule) -> tuple[str, ...] | None:
        return (rule.metric,) if metrics()[rule.metric].of in ("gpu", "system") else None

    def condition(self, rule: Rule) -> str:
        metric = metrics()[rule.metric]
        of = "" if metric.of == "gpu" else f"{'host' if metric.of == 'system' else metric.of}: "
        back = "" if rule.clear_threshold is None else f" (resolves at {limit_of(rule, rule.clear_threshold)})"
        return f"{of}{metric.label} {SIGNS[rule.comparator]} {limit_of(rule, rule.threshold)}{back}"

    def words(self, change: Change, tick: Tick) -> Words:
        rule, metric, base = change.rule, metrics()[change.rule.metric], _base(change)
        value, threshold = (change.state.value or 0.0) + base, rule.threshold + base
        detail = ""
        subject = tick.snapshot.host
        if metric.of == "gpu":
            subject = f"GPU {gpu_of(change).index}"
        elif metric.of == "process":
            process = process_of(change)
            subject = f"PID {process.pid} on GPU {gpu_of(change).index}"
            detail = owner_of(process)
        if rule.relative_to:
            limit = metrics()[f"gpu.{rule.relative_to}"]
            detail = f"The GPU's {limit.label}: {limit.text(base)}."
        return Words(_sentence(subject, rule, value, threshold), detail, value, threshold, rule.metric)

    def summary_of_worst(self, alert: Alert, rule: Rule) -> str:
        if alert.worst_value is None or alert.threshold is None or rule.metric not in metrics():
            return alert.summary
        of = metrics()[rule.metric].of
        subject = alert.host if of in ("system", "health") else f"GPU {alert.gpu_index}"
        if of == "process":
            subject = f"PID {alert.pid} on {subject}"
        return _sentence(subject, rule, alert.worst_value, alert.threshold)

    def why_cleared(self, change: Change) -> str:
        assert change.column is not None
        value = change.column.values[change.place]
        if value is None:
            return CLEARED
        return f"{metrics()[change.rule.metric].text(value + _base(change))}, back within the limit"

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        title = label_of(rule.metric)
        return f"{title} above {label_of(f'gpu.{rule.relative_to}')}" if is_offset else title

    def threshold_text(self, rule: Rule, threshold: float, *, is_offset: bool) -> str:
        limit = limit_of(rule, rule.threshold) if rule.relative_to else ""
        shown = limit if is_offset else self.value_text(rule, threshold) + (f" ({limit})" if limit else "")
        return f"{SIGNS[rule.comparator]} {shown}"


def _sentence(subject: str, rule: Rule, value: float, threshold: float) -> str:
    """GPU 5 reached 88 °C (limit 87 °C); GPU 5: utilization fell to 3 % (limit 5 %)."""
    metric = metrics()[rule.metric]
    what = subject if rule.metric == "gpu.temperature_celsius" else f"{subject}: {metric.label}"
    reached = "became" if metric.is_yes_or_no else "reached" if rule.comparator.startswith(">") else "fell to"
    return f"{what} {reached} {metric.text(value)} (limit {metric.text(threshold)})"


def _base(change: Change) -> float:
    """The limit that the value is an offset from, or 0."""
    bases = change.column.bases if change.column else ()
    return (bases[change.place] or 0.0) if bases else 0.0
