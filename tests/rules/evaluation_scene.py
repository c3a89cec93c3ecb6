"""Rules, snapshots at given times, and the events of their evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from monitor.rules.evaluation import Evaluation, Event
from monitor.rules.rule import Rule
from monitor.telemetry.schema import Gpu, Snapshot
from tests.support.snapshots import host


def rule(kind: str = "threshold", **changes: Any) -> Rule:
    values: dict[str, Any] = {"id": 1, "name": "the rule", "kind": kind, "threshold": 1.0}
    if kind == "threshold":
        values.update(metric="gpu.temperature_celsius", threshold=90.0)
    return Rule(**{**values, **changes})


def evaluation(*rules: Rule) -> Evaluation:
    numbers = itertools.count(1)
    made = Evaluation(make_id=lambda: f"event-{next(numbers)}")
    made.set_rules(rules)
    return made


def at(time: float, *gpus: Gpu, **changes: Any) -> Snapshot:
    return host(*gpus, **{"time": time, "sampled_at": time, **changes})


def told(found: Iterable[Event]) -> list[tuple[str, str]]:
    return [("fired", each.summary) if each.resolved_at is None else ("over", each.resolved_because) for each in found]
