"""What judging costs: 100 rules of every kind on 64 GPUs whose values change at each tick, a part of them holding."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.figures import CouldNotMeasure, Figure
from bench.recorded import record
from monitor.rules import making
from monitor.rules.evaluation import Evaluation
from monitor.rules.making import Rule
from monitor.rules.metrics import COUNTERS
from monitor.telemetry import recording
from monitor.telemetry.recent import Recent
from monitor.telemetry.recorded_snapshots import snapshots_of
from monitor.telemetry.schema import Snapshot

RULES, GPUS = 100, 64
_ROUNDS = 7
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
"""Each as many times as it takes to make 100: mostly thresholds, as people have them."""
_THRESHOLDS = {
    "gpu.temperature_celsius": (5, -30, -60),
    "gpu.power_watts": (750, 385, 50),
    "gpu.utilization_percent": (0, 50, 101),
    "gpu.memory_used_percent": (95, 50, 5),
    "process.memory_used_bytes": (20 << 30, 9 << 30, 1 << 29),
}
"""Passed never, at every other reading, and always: the values of the recording go up and down all the time."""
_WAYS = (*[(0, 0)] * 12, *[(1, 30)] * 3, *[(2, 10_000)] * 2, *[(2, 0)] * 2, (1, 0))
"""Which of the thresholds, and for how many seconds: of 20 rules 12 see nothing wrong, 5 wait (3 of them in vain, anew
at every other reading), 2 fire all the time, and one comes and goes on every GPU, as no rule should."""


def measure() -> Iterator[Figure]:
    """The figures of a tick, in CPU of this process."""
    snapshots = _snapshots()
    ticks, changes = [], 0
    for _ in range(_ROUNDS):
        evaluation = Evaluation()
        evaluation.set_rules(_rules())
        evaluation.take(snapshots[0])
        began = time.process_time()
        changes = sum(len(evaluation.take(snapshot)) for snapshot in snapshots[1:])
        ticks.append((time.process_time() - began) / (len(snapshots) - 1))
    firing = len(evaluation.open)
    if not firing or not changes:
        raise CouldNotMeasure("no rule fires, so what is measured is not what is said")
    pending = sum(state.phase == "pending" for judge in evaluation.judges.values() for state in judge.states.values())
    yield Figure(
        median(ticks) * 1e3,
        " ms",
        5,
        f"judging {RULES} rules × {GPUS} GPUs: CPU a tick; {firing} alerts fire, {pending} wait, "
        f"{changes / (len(snapshots) - 1):.0f} fire or end at each",
    )
    recent = Recent()
    began = time.process_time()
    for snapshot in snapshots:
        recent.add(snapshot)
    yield Figure(
        (time.process_time() - began) / len(snapshots) * 1e3,
        " ms",
        None,
        f"keeping these readings for the preview: CPU a tick at 1 Hz, {GPUS} GPUs",
    )


def _snapshots() -> list[Snapshot]:
    with TemporaryDirectory(prefix="gpumon-bench-") as name:
        path = Path(name) / "recording.jsonl"
        record(path, gpus=GPUS, hz=1)
        header, readings = recording.read(path)
        return [*snapshots_of(header, readings)]


def _rules() -> list[Rule]:
    chance = random.Random(5)
    thresholds = [each for each in _KINDS if each["kind"] == "threshold"]
    made = []
    for number in range(RULES):
        given = _KINDS[number] if number < len(_KINDS) else chance.choice(thresholds)
        if given["kind"] == "threshold":
            way, held = _WAYS[number % len(_WAYS)]
            given = {**given, "threshold": _THRESHOLDS[given["metric"]][way], "for_seconds": held}
        given = {**given, "id": number + 1, "name": str(number)}
        if number % 4 == 0 and given["kind"] != "stale":
            given["gpu_indexes"] = f"{chance.randrange(32)}-{chance.randrange(32, GPUS)}"
        made.append(making.make(given, held_memory_mib=1024, held_percent=20, held_minutes=0.5))
    return made
