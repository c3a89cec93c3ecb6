"""The rule of an event as it was when it fired, in lines that a person reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from monitor import formats
from monitor.rules.choices import KINDS
from monitor.rules.making import Rule, Which
from monitor.rules.metrics import label_of, metrics, text_of

_MIG = {"only": "in MIG mode", "without": "not in MIG mode"}


class Line(NamedTuple):
    """One line."""

    title: str
    text: str


def lines_of(kept: Any) -> list[Line]:
    """From AlertEvent.rule_then; none where another version kept it in a form that is not understood."""
    try:
        rule = msgspec.convert(kept, Rule)
    except msgspec.ValidationError:
        return []
    kind = KINDS.get(rule.kind)
    found = [Line("Kind", kind.label if kind else rule.kind), Line("Severity", rule.severity)]
    if rule.metric in metrics():
        found.append(Line("Condition", f"{label_of(rule.metric)} {_condition(rule, rule.threshold)}"))
        if rule.clear_threshold is not None:
            found.append(Line("Clears beyond", _limit(rule, rule.clear_threshold)))
    elif rule.threshold:
        found.append(Line("Threshold", f"{rule.threshold:g}"))
    if rule.throttle:
        found.append(Line("Reasons", rule.throttle))
    if rule.ignored_xids:
        found.append(Line("Ignored Xids", ", ".join(map(str, sorted(rule.ignored_xids)))))
    if rule.held_memory_bytes:
        found.append(Line("Held memory", formats.memory(rule.held_memory_bytes)))
    if rule.idle_percent:
        found.append(Line("Utilization below", formats.PERCENT.text(rule.idle_percent)))
    found.append(Line("Fires after", formats.duration(rule.for_seconds) if rule.for_seconds else "at once"))
    clears = formats.duration(rule.clear_for_seconds) if rule.clear_for_seconds else "at once"
    found += [Line("Clears after", clears), Line("GPUs", _which(rule.which))]
    return found


def _condition(rule: Rule, threshold: float) -> str:
    sign = {">=": "≥", "<=": "≤"}.get(rule.comparator, rule.comparator)
    return f"{sign} {_limit(rule, threshold)}"


def _limit(rule: Rule, threshold: float) -> str:
    """87 °C, or as the distance from a limit of the card: slowdown temperature + 2 °C."""
    if not rule.relative_to:
        return text_of(rule.metric, threshold)
    limit = label_of(f"gpu.{rule.relative_to}")
    if not threshold:
        return limit
    return f"{limit} {'+' if threshold > 0 else '−'} {text_of(rule.metric, abs(threshold))}"


def _which(which: Which) -> str:
    told = [
        *sorted(which.uuids),
        *([f"index {', '.join(map(str, sorted(which.indexes)))}"] if which.indexes else []),
        *([f"named {which.name_pattern}"] if which.name_pattern else []),
        *([f"on hosts {which.host_pattern}"] if which.host_pattern else []),
        *([_MIG[which.mig]] if which.mig in _MIG else []),
    ]
    return " · ".join(told) or "all"
