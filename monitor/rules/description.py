"""A rule in words: as a condition in the list of rules, and as lines on an alert's page."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from monitor.rules.kinds.registry import KINDS, kind_of
from monitor.rules.metrics import metrics
from monitor.rules.phrases import listed, span_of
from monitor.rules.rule import Rule, Which

_MIG = {"only": "in MIG mode", "without": "not in MIG mode"}


class Line(NamedTuple):
    """One line about a rule."""

    title: str
    text: str


def condition_of(rule: Rule) -> str:
    """When the rule fires, in a few words: temperature ≥ slowdown temperature for 60 s (index 0, 2)."""
    held = f" for {span_of(rule.for_seconds)}" if rule.for_seconds else ""
    return f"{kind_of(rule).condition(rule)}{held}{_where(rule.which)}"


def lines_of(kept: Any) -> list[Line]:
    """The rule stored with an alert (AlertEvent.rule_then); none if another version stored it in another form."""
    try:
        rule = msgspec.convert(kept, Rule)
    except msgspec.ValidationError:
        return []
    kind = KINDS.get(rule.kind)
    found = [Line("Kind", kind.label if kind else rule.kind), Line("Severity", rule.severity)]
    if kind and _is_complete(rule):
        found.append(Line("Condition", kind.condition(rule)))
    return [
        *found,
        Line("Fires after", span_of(rule.for_seconds) if rule.for_seconds else "at once"),
        Line("Resolves after", span_of(rule.clear_for_seconds) if rule.clear_for_seconds else "at once"),
        Line("Hosts", rule.which.hosts or "all")
        if kind and kind.is_of_fleet
        else Line("GPUs", " · ".join([*sorted(rule.which.uuids), *_selectors(rule.which)]) or "all"),
    ]


def _is_complete(rule: Rule) -> bool:
    """Whether this version knows every metric that the stored rule names or needs."""
    is_known = rule.metric in metrics() if "metric" in KINDS[rule.kind].needs else True
    return is_known and (not rule.relative_to or f"gpu.{rule.relative_to}" in metrics())


def _where(which: Which) -> str:
    chosen = [f"{len(which.uuids)} chosen GPU{'' if len(which.uuids) == 1 else 's'}"] if which.uuids else []
    parts = [*chosen, *_selectors(which)]
    return f" ({', '.join(parts)})" if parts else ""


def _selectors(which: Which) -> list[str]:
    """Everything that selects GPUs but their UUIDs."""
    return [
        *([f"index {listed(which.indexes)}"] if which.indexes else []),
        *([f"name {which.name_pattern}"] if which.name_pattern else []),
        *([f"host {which.hosts}"] if which.hosts else []),
        *([_MIG[which.mig]] if which.mig in _MIG else []),
    ]
