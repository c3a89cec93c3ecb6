"""The cost of evaluating rules: 100 rules of every kind on 64 GPUs, every value changing at each tick, against a bare loop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from statistics import median
from typing import Any

from bench.figures import CouldNotMeasure, Figure
from bench.recorded import recorded
from monitor.rules import validation
from monitor.rules.choices import COMPARE
from monitor.rules.evaluation import Evaluation
from monitor.rules.metrics import COUNTERS
from monitor.rules.rule import Rule
from monitor.telemetry import recording
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.recent import Recent
from monitor.telemetry.recorded_snapshots import snapshots_of
from monitor.telemetry.schema import Snapshot

RULES, GPUS = 100, 64
_ROUNDS = 7
_BOUND = 11
"""Measured: 7.8 to 9.8, depending on other load. The loop
leaves out selection, states and events."""
_IDLE = IdleLimits(utilization_percent=20, minutes=0.5)
_KINDS: tuple[dict[str, Any], ...] = (
    {
        "kind": "threshold",
        "metric": "gpu.temperature_celsius",
        "comparator": ">=",
        "relative_to": "slowdown_temperature_celsius",
    },
    {"kind": "threshold", "metric": "gpu.power_watts", "comparator": ">"},
    {"kind": "threshold", "metric": "gpu.utilization_percent", "comparator": "<"},
    {"kind": "threshold", "metric": "gpu.memory_used_percent", "comparator": ">="},
    {"kind": "threshold", "metric": "process.memory_used_bytes", "comparator": ">"},
    {"kind": "stale", "threshold": 30},
    {"kind": "gpu_lost"},
    {"kind": "gpu_count_fell"},
    {"kind": "xid"},
    {"kind": "rise", "metric": COUNTERS[0], "threshold": 1},
    {"kind": "throttled", "throttle": "any"},
    {"kind": "several_users", "threshold": 2},
    {"kind": "idle_held"},
    {"kind": "process_gone"},
)
"""One rule of each kind; the rest of the 100 are thresholds, as in typical use."""
_THRESHOLDS = {
    "gpu.temperature_celsius": (5, -30, -60),
    "gpu.power_watts": (750, 385, 50),
    "gpu.utilization_percent": (0, 50, 101),
    "gpu.memory_used_percent": (95, 50, 5),
    "process.memory_used_bytes": (20 << 30, 9 << 30, 1 << 29),
}
"""Thresholds that are passed never, at every other reading, and always: the recording's values alternate."""
_WAYS = (*[(0, 0)] * 12, *[(1, 30)] * 3, *[(2, 10_000)] * 2, *[(2, 0)] * 2, (1, 0))
"""The threshold of each rule, and its duration in seconds. Of 20 rules 12 never match, 5 are pending (3 of them start
over at every other reading), 2 always fire, and one fires and resolves on every GPU at each reading, which no real rule should."""


def measure() -> Iterator[Figure]:
    """CPU time of a tick in this process, alternating with the floor."""
    snapshots, chosen = _snapshots(), _rules()
    comparisons = _comparisons(chosen)
    ticks, floors, evaluation, changes = [], [], Evaluation(), 0
    for _ in range(_ROUNDS):
        evaluation = Evaluation()
        evaluation.set_rules(chosen)
        evaluation.take(snapshots[0])
        began = time.process_time()
        changes = sum(len(evaluation.take(snapshot)) for snapshot in snapshots[1:])
        ticks.append((time.process_time() - began) / (len(snapshots) - 1))
        began = time.process_time()
        for snapshot in snapshots[1:]:
            _bare(snapshot, comparisons)
        floors.append((time.process_time() - began) / (len(snapshots) - 1))
    firing = len(evaluation.open)
    if not firing or not changes:
        raise CouldNotMeasure("no rule fires, so this is not the load it should be")
    pending = sum(state.phase == "pending" for judge in evaluation.judges.values() for state in judge.states.values())
    ratio = median(tick / floor for tick, floor in zip(ticks, floors, strict=True))
    measured = (
        f"CPU of judging {RULES} rules × {GPUS} GPUs / of a bare loop that compares each value with each threshold"
    )
    yield Figure(ratio, "x", _BOUND, measured)
    state = (
        f"{firing} alerts fire, {pending} are pending, {changes / (len(snapshots) - 1):.0f} fire or end at each tick"
    )
    yield Figure(median(ticks) * 1e3, " ms", None, f"that tick; {state}")
    yield Figure(median(floors) * 1e3, " ms", None, "the floor: the bare loop")
    recent = Recent()
    began = time.process_time()
    for snapshot in snapshots:
        recent.add(snapshot)
    kept = (time.process_time() - began) / len(snapshots)
    yield Figure(kept * 1e3, " ms", None, f"storing a reading for the preview, {GPUS} GPUs")


_Comparison = tuple[bool, Callable[[Any], Any], Callable[[Any, Any], bool], float]
"""Whether it compares processes, the value of a GPU or process, the comparison, the threshold."""


def _comparisons(chosen: Sequence[Rule]) -> list[_Comparison]:
    """Each rule as one comparison; a kind without a metric compares the utilization."""
    found: list[_Comparison] = []
    for rule in chosen:
        of, _, field = (rule.metric or "gpu.utilization_percent").partition(".")
        found.append((of == "process", attrgetter(field), COMPARE[rule.comparator], rule.threshold))
    return found


def _bare(snapshot: Snapshot, comparisons: Sequence[_Comparison]) -> int:
    """The number of values that pass a threshold: no columns, states or events, and every rule applies to every GPU."""
    processes = [process for gpu in snapshot.gpus for process in gpu.processes or ()]
    passed = 0
    for is_of_processes, get, compare, threshold in comparisons:
        for subject in processes if is_of_processes else snapshot.gpus:
            value = get(subject)
            if value is not None and compare(value, threshold):
                passed += 1
    return passed


def _snapshots() -> list[Snapshot]:
    with recorded(gpus=GPUS, hz=1) as path:
        header, readings = recording.read(path)
        return [*snapshots_of(header, readings)]


def _rules() -> list[Rule]:
    chance = random.Random(5)
    thresholds = [each for each in _KINDS if each["kind"] == "threshold"]
    made = []
    for number in range(RULES):
        given = _KINDS[number] if number < len(_KINDS) else chance.choice(thresholds)
        if given["kind"] == "threshold":
            way, seconds = _WAYS[number % len(_WAYS)]
            given = {**given, "threshold": _THRESHOLDS[given["metric"]][way], "for_seconds": seconds}
        given = {**given, "id": number + 1, "name": str(number)}
        if number % 4 == 0 and given["kind"] != "stale":
            given["gpu_indexes"] = f"{chance.randrange(32)}-{chance.randrange(32, GPUS)}"
        made.append(validation.make(given, _IDLE))
    return made
