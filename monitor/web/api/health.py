"""The answer of /api/health: whether readings are current and every stage works."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from monitor.live.hub import Hub
from monitor.telemetry.freshness import longest_silence, silence_in_words
from monitor.telemetry.gpu_use import is_silent
from monitor.telemetry.sampler.status import Status
from monitor.telemetry.schema import Alert, ProviderReport, Severity, Snapshot
from monitor.web.components.open_alerts import count_by_severity


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ok", "degraded", "down"]
    """ok: all GPUs respond. degraded: readings are current, but a GPU is lost or gives none, or a
    stage has a problem.
    down: stale, or no data source responds."""
    reason: str | None
    host: str | None
    provider: str | None
    providers: tuple[ProviderReport, ...]
    age_seconds: float | None
    """Age of the last reading."""
    gpu_count: int
    sampler_pid: int | None
    sampler_restarts: int
    sampler_abandoned: int
    clamped_count: int
    clients: dict[str, int]
    alerts: dict[Severity, int]
    """Open alerts by severity, acknowledged ones too."""
    problems: dict[str, str]
    """What is wrong with each stage that has a problem, by its name: such as "settings", "data" or "alerts"."""
    alerts_problem: str | None
    """`problems["alerts"]`: why alerts cannot be evaluated or written now."""


def status_of(
    snapshot: Snapshot | None, status: Status, *, now: float
) -> tuple[Literal["ok", "degraded", "down"], str | None]:
    """Status and reason of the readings. `now` is Unix time: an old snapshot means that the supervisor has died.

    By the clock of the snapshot's time, see `now_of`: the system's clock can be set.
    """
    if snapshot is None:
        return "down", status.problem or "Waiting for the first reading."
    silent = now - snapshot.time
    if silent > longest_silence(snapshot.poll_interval_seconds):
        return "down", silence_in_words(silent)
    if snapshot.stale:
        return "down", snapshot.stale_reason
    if snapshot.sampled_at is None:
        return "down", status.problem or (
            "No data source responds." if snapshot.providers else "Waiting for the first reading."
        )
    lost = [str(gpu.index) for gpu in snapshot.gpus if gpu.state == "lost"]
    if lost:
        return "degraded", f"GPU {', '.join(lost)} is lost."
    silent_gpus = [str(gpu.index) for gpu in snapshot.gpus if is_silent(gpu)]
    if silent_gpus:
        return "degraded", f"GPU {', '.join(silent_gpus)} gives no readings."
    return "ok", None


def now_of(hub: Hub) -> float:
    """Unix time for judging the newest snapshot: when it was made, and what the monotonic clock has counted since."""
    return time.time() if hub.published is None else hub.published.time + hub.silent_seconds


def health(
    hub: Hub,
    status: Status,
    *,
    now: float,
    alerts: Iterable[Alert] = (),
    problems: Mapping[str, str] = MappingProxyType({}),
) -> Health:
    """The supervisor's and the stages' health. `alerts`: the open ones of all hosts. `problems`: of the stages, by name."""
    snapshot = hub.published
    verdict, reason = status_of(snapshot, status, now=now)
    if verdict == "ok" and problems:
        verdict = "degraded"
        reason = "; ".join(f"{name.capitalize()}: {problem}" for name, problem in problems.items())
    age = None
    if snapshot is not None and snapshot.age_seconds is not None:
        age = snapshot.age_seconds + max(0.0, now - snapshot.time)
    return Health(
        status=verdict,
        reason=reason,
        host=snapshot.host if snapshot else None,
        provider=snapshot.provider if snapshot else None,
        providers=snapshot.providers if snapshot else (),
        age_seconds=age,
        gpu_count=len(snapshot.gpus) if snapshot else 0,
        sampler_pid=status.sampler_pid,
        sampler_restarts=status.restarts,
        sampler_abandoned=status.abandoned,
        clamped_count=status.clamped_count,
        clients=dict(hub.clients),
        alerts=count_by_severity(alerts),
        problems=dict(problems),
        alerts_problem=problems.get("alerts"),
    )
