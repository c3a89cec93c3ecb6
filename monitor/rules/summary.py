"""An alert in words: what is wrong (without names of users and programs), more of it, and why it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from monitor import formats
from monitor.rules.columns import Tick
from monitor.rules.judge import Change
from monitor.rules.metrics import metrics
from monitor.rules.xids import meaning_of
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot

_COMPARED = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below"}


class Told(NamedTuple):
    """What an event says of the moment it fired."""

    summary: str
    detail: str = ""
    value: float | None = None
    threshold: float | None = None
    metric: str = ""


def told(change: Change, tick: Tick) -> Told:
    """The alert that this change has opened."""
    return _TOLD[change.rule.kind](change, tick)


def why_ended(change: Change, snapshot: Snapshot | None) -> str:
    """Why the alert is over; `snapshot` is the one that ended it, None where none did."""
    if change.because:
        return change.because
    rule, column = change.rule, change.column
    if column is None:
        uuid, of_gpu, _ = change.key.partition("/")
        if of_gpu and rule.kind != "xid":
            return "the process has ended or holds less"
        is_there = snapshot is not None and any(gpu.uuid == uuid for gpu in snapshot.gpus)
        return "the rule is not about this GPU any more" if is_there else "this GPU is not on the host any more"
    value = column.values[change.place]
    if rule.kind != "threshold" or value is None:
        return "it does not hold any more"
    return f"{metrics()[rule.metric].text(value + _base(change))}, back within the limit"


def _base(change: Change) -> float:
    bases = change.column.bases if change.column else ()
    return (bases[change.place] or 0.0) if bases else 0.0


def _gpu(change: Change) -> Gpu:
    assert change.column is not None
    return change.column.gpus[change.place]


def _process(change: Change) -> GpuProcess:
    assert change.column is not None
    return change.column.processes[change.place]


def _whose(process: GpuProcess) -> str:
    """mira's python (PID 4242): torchrun train.py."""
    user = f"{process.user}'s " if process.user else ""
    command = f": {process.command}" if process.command and process.command != process.name else ""
    return f"{user}{process.name or 'process'} (PID {process.pid}){command}"


def _threshold(change: Change, tick: Tick) -> Told:
    rule, metric = change.rule, metrics()[change.rule.metric]
    value = (change.state.value or 0.0) + _base(change)
    threshold = rule.threshold + _base(change)
    assert change.column is not None
    detail = ""
    if metric.of == "gpu":
        subject = f"GPU {_gpu(change).index}: {metric.label}"
    elif metric.of == "process":
        process = _process(change)
        subject = f"PID {process.pid} on GPU {_gpu(change).index}: {metric.label}"
        detail = _whose(process)
    else:
        subject = f"{tick.snapshot.host}: {metric.label}"
    summary = f"{subject} is {metric.text(value)}, {_COMPARED[rule.comparator]} {metric.text(threshold)}"
    if rule.relative_to:
        limit = metrics()[f"gpu.{rule.relative_to}"]
        detail = f"The card's own {limit.label}: {limit.text(_base(change))}."
    return Told(summary, detail, value, threshold, rule.metric)


def _stale(change: Change, tick: Tick) -> Told:
    value = change.state.value or 0.0
    return Told(
        f"{tick.snapshot.host}: no fresh reading for {formats.duration(value)}",
        tick.snapshot.stale_reason or "",
        value,
        change.rule.threshold,
        "health.age_seconds",
    )


def _gpu_lost(change: Change, _tick: Tick) -> Told:
    gpu = _gpu(change)
    return Told(f"GPU {gpu.index} is lost: it fell off the bus or does not answer any more",
                f"{gpu.name}, {gpu.uuid}. Look at the kernel's log (`dmesg`) for an Xid; a reboot may bring it back.")  # fmt: skip


def _gpu_count_fell(change: Change, tick: Tick) -> Told:
    assert change.column is not None
    count, most = change.column.details[change.place]
    return Told(
        f"{tick.snapshot.host}: {count} GPU{'' if count == 1 else 's'} instead of {most}",
        "If the others were taken out on purpose, switch this rule off and on again: it then counts from what is there.",
        float(count),
        float(most),
        "health.gpu_count",
    )


def _xid(change: Change, _tick: Tick) -> Told:
    assert change.column is not None
    code: int = change.column.details[change.place]
    meaning = meaning_of(code)
    return Told(f"GPU {_gpu(change).index} reported Xid {code}: {meaning.what}", meaning.do, float(code))


def _rise(change: Change, _tick: Tick) -> Told:
    assert change.column is not None
    metric = metrics()[change.rule.metric]
    rise, now = change.state.value or 0.0, change.column.details[change.place]
    return Told(
        f"GPU {_gpu(change).index}: {metric.label} rose by {metric.text(rise)} to {metric.text(now)}",
        "",
        rise,
        change.rule.threshold,
        change.rule.metric,
    )


def _throttled(change: Change, _tick: Tick) -> Told:
    assert change.column is not None
    reasons = ", ".join(change.column.details[change.place])
    kind = "thermal or power" if change.rule.throttle == "any" else change.rule.throttle
    return Told(
        f"GPU {_gpu(change).index}: clocks are held down for {kind} reasons", f"Clock-event reasons: {reasons}."
    )


def _several_users(change: Change, _tick: Tick) -> Told:
    assert change.column is not None
    users = change.column.details[change.place]
    return Told(
        f"GPU {_gpu(change).index} is used by {len(users)} users",
        ", ".join(users),
        float(len(users)),
        change.rule.threshold,
    )


def _idle_held(change: Change, _tick: Tick) -> Told:
    process, rule = _process(change), change.rule
    held = float(process.memory_used_bytes or 0)
    return Told(
        f"GPU {_gpu(change).index}: PID {process.pid} holds {formats.memory(held)} while the GPU is idle",
        f"{_whose(process)}. Utilization is {rule.idle_percent:g} % at most.",
        held,
        rule.held_memory_bytes,
        "process.memory_used_bytes",
    )


def _process_gone(change: Change, _tick: Tick) -> Told:
    process = _process(change)
    held = float(process.memory_used_bytes or 0)
    return Told(
        f"GPU {_gpu(change).index}: PID {process.pid} has ended and still holds {formats.memory(held)}",
        f"{_whose(process)}. Another process that shares its memory may live on (`fuser -v /dev/nvidia*`).",
        held,
        change.rule.held_memory_bytes,
        "process.memory_used_bytes",
    )


_TOLD: dict[str, Callable[[Change, Tick], Told]] = {
    "threshold": _threshold,
    "stale": _stale,
    "gpu_lost": _gpu_lost,
    "gpu_count_fell": _gpu_count_fell,
    "xid": _xid,
    "rise": _rise,
    "throttled": _throttled,
    "several_users": _several_users,
    "idle_held": _idle_held,
    "process_gone": _process_gone,
}
