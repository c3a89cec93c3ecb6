"""What is the case now with an open alert, and how long any alert lasted: the same words in every output."""

from __future__ import annotations

from operator import attrgetter

from monitor import formats
from monitor.rules.metrics import health_value, metrics, text_of
from monitor.telemetry.schema import Alert, Snapshot

_JITTER_SECONDS = 2.0
"""An alert can be newer than the snapshot by which it is shown."""
_LONGEST_SECONDS = 10 * 365.25 * 86_400
"""Longer than any alert is kept. Beyond it, the clock was set while gpumon did not run, as on boards that start in 1970."""


def lasted_seconds(alert: Alert, now: float | None = None) -> float | None:
    """How long an alert fired: from firing until it resolved, or until `now` (Unix seconds) while it is open. None if that is
    unknown: it is open and `now` is not given, or the clock was set in between.
    """
    end = now if alert.resolved_at is None else alert.resolved_at
    if end is None or not -_JITTER_SECONDS <= end - alert.fired_at < _LONGEST_SECONDS:
        return None
    return max(0.0, end - alert.fired_at)


def lasted(alert: Alert, now: float | None = None) -> str:
    """The same in words: 7 min 12 s, or —."""
    seconds = lasted_seconds(alert, now)
    return "—" if seconds is None else formats.duration(seconds)


def happening(alert: Alert, snapshot: Snapshot) -> str:
    """What is the case now with an open alert: now 88 °C, for 1 min 12 s; or: now 67 °C, clearing. With a snapshot of the host
    that is down: no reading for 1 min 12 s, because the clock of its snapshots is not the one that the alert is timed by.
    """
    if alert.timed_by == "hub" and alert.host_id == snapshot.host_id and not alert.is_clearing:
        return (
            "no reading" if snapshot.age_seconds is None else f"no reading for {formats.duration(snapshot.age_seconds)}"
        )
    value = current_value(alert, snapshot)
    now = "" if value is None or alert.metric is None else f"now {text_of(alert.metric, value)}, "
    return now + ("clearing" if alert.is_clearing else f"for {lasted(alert, _now(snapshot))}")


def _now(snapshot: Snapshot) -> float:
    """By the clock of its host, also while no newer snapshot comes: the host may be down."""
    if not snapshot.stale or snapshot.sampled_at is None or snapshot.age_seconds is None:
        return snapshot.time
    return max(snapshot.time, snapshot.sampled_at + snapshot.age_seconds)


def repeated(times: int, span: str) -> str:
    """×12 within 40 min; empty for a single time."""
    return f"×{times} {span}" if times > 1 else ""


def current_value(alert: Alert, snapshot: Snapshot) -> float | None:
    """The value of the alert's metric in a snapshot; None if it has none or it is unknown there."""
    return value_of(alert.metric or "", alert, snapshot)


def value_of(key: str, alert: Alert, snapshot: Snapshot) -> float | None:
    """A metric of what the alert is about (GPU, process or host) in a snapshot; None if it is unknown there."""
    metric = metrics().get(key)
    if alert.host_id not in (None, snapshot.host_id):  # of another host
        return None
    if metric is None or (snapshot.stale and metric.of in ("gpu", "process")):
        return None
    if metric.of == "health":
        return health_value(snapshot, metric.field)
    if metric.of == "system":
        return None if snapshot.system is None else getattr(snapshot.system, metric.field)
    gpu = next((gpu for gpu in snapshot.gpus if gpu.uuid == alert.gpu_uuid and gpu.state == "ok"), None)
    if metric.of == "process":
        found = [process for process in (gpu.processes or () if gpu else ()) if process.pid == alert.pid]
        return getattr(found[0], metric.field) if len(found) == 1 else None
    return None if gpu is None else attrgetter(metric.field)(gpu)
