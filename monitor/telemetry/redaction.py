"""Removes from a snapshot who runs what, so that anonymous viewers can see the rest."""

from __future__ import annotations

import msgspec

from monitor.telemetry.schema import Alert, Gpu, GpuProcess, Snapshot

REASON = "shown to people who are logged in"
OF_PROCESSES = ("user", "name", "command", "container_id", "pod_id")
"""Fields of GpuProcess that say who runs what, and where."""
OF_ALERTS = ("detail", "acknowledged_by", "note")
"""Fields of Alert that may name users and commands."""


def without_details(snapshot: Snapshot) -> Snapshot:
    """The snapshot with those fields null, and a reason where the struct has one."""
    return msgspec.structs.replace(
        snapshot,
        gpus=tuple([_gpu(gpu) for gpu in snapshot.gpus]),
        alerts=tuple([alert_without_details(alert) for alert in snapshot.alerts]),
    )


def _gpu(gpu: Gpu) -> Gpu:
    if not gpu.processes:
        return gpu
    return msgspec.structs.replace(gpu, processes=tuple([_process(process) for process in gpu.processes]))


def _process(process: GpuProcess) -> GpuProcess:
    reasons = {**process.unavailable, **dict.fromkeys(OF_PROCESSES, REASON)}
    return msgspec.structs.replace(process, **dict.fromkeys(OF_PROCESSES), unavailable=reasons)


def alert_without_details(alert: Alert) -> Alert:
    """The alert without the fields that can name users and commands."""
    return msgspec.structs.replace(alert, **dict.fromkeys(OF_ALERTS))
