"""What a rule fires at, in a few words: temperature ≥ slowdown temperature + 0 °C for 60 s."""

from __future__ import annotations

from collections.abc import Iterable

from monitor import formats
from monitor.rules.choices import KINDS
from monitor.rules.making import Rule, Which
from monitor.rules.metrics import label_of, metrics

SIGNS = {">": ">", ">=": "≥", "<": "<", "<=": "≤"}


def condition_of(rule: Rule) -> str:
    """The condition, for how long it has to hold, and of which GPUs where that is not all of them."""
    held = f" for {_time(rule.for_seconds)}" if rule.for_seconds else ""
    return f"{_what(rule)}{held}{_where(rule.which)}"


def limit_of(rule: Rule, threshold: float) -> str:
    """A threshold of the rule in words: 90 °C, or slowdown temperature + 0 °C."""
    metric = metrics()[rule.metric]
    if not rule.relative_to:
        return metric.text(threshold)
    sign = "−" if threshold < 0 else "+"
    return f"{label_of(f'gpu.{rule.relative_to}')} {sign} {metric.text(abs(threshold))}"


def _what(rule: Rule) -> str:
    if rule.kind == "threshold":
        metric = metrics()[rule.metric]
        of = "" if metric.of == "gpu" else f"{'host' if metric.of == 'system' else metric.of}: "
        back = "" if rule.clear_threshold is None else f" (back at {limit_of(rule, rule.clear_threshold)})"
        return f"{of}{metric.label} {SIGNS[rule.comparator]} {limit_of(rule, rule.threshold)}{back}"
    if rule.kind == "stale":
        return f"no fresh reading for {_time(rule.threshold)}"
    if rule.kind == "rise":
        return f"{label_of(rule.metric)} rises by {metrics()[rule.metric].text(rule.threshold)} or more"
    if rule.kind == "throttled":
        reasons = "thermal or power" if rule.throttle == "any" else rule.throttle
        return f"clocks held down for {reasons} reasons"
    if rule.kind == "several_users":
        return f"{rule.threshold:g} or more users on one GPU"
    if rule.kind == "idle_held":
        held = formats.memory(rule.held_memory_bytes)
        return f"a process holds {held} or more while utilization ≤ {rule.idle_percent:g} %"
    if rule.kind == "process_gone":
        return f"a process has ended and still holds {formats.memory(rule.held_memory_bytes)} or more"
    if rule.kind == "xid" and rule.ignored_xids:
        return f"a new Xid error other than {_listed(sorted(rule.ignored_xids))}"
    label = KINDS[rule.kind].label
    return label[0].lower() + label[1:]


def _where(which: Which) -> str:
    parts = []
    if which.uuids:
        parts.append(f"{len(which.uuids)} chosen GPU{'' if len(which.uuids) == 1 else 's'}")
    if which.indexes:
        parts.append(f"index {_listed(sorted(which.indexes))}")
    if which.name_pattern:
        parts.append(f"name {which.name_pattern}")
    if which.host_pattern:
        parts.append(f"host {which.host_pattern}")
    if which.mig != "any":
        parts.append("in MIG mode" if which.mig == "only" else "not in MIG mode")
    return f" ({', '.join(parts)})" if parts else ""


def _time(seconds: float) -> str:
    """60 s, 30 min; not 30 min 0 s."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:.0f}{formats.THIN}{unit}"
    return f"{seconds:g}{formats.THIN}s" if seconds < 120 else formats.duration(seconds)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
