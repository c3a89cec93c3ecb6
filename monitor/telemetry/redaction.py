"""Removes from a snapshot what a viewer may not see: command lines, or all of who runs what."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from monitor.telemetry.schema import Alert, Gpu, GpuProcess, Snapshot

NEEDS_PERMISSION = "shown to users with the permission to view command lines"
REASON = "shown to people who are logged in"
OF_PROCESSES = ("user", "name", "command", "container_id", "container_name", "pod_id", "pod_name", "job_id")
"""Fields of GpuProcess that say who runs what, and where."""
OF_GPUS = ("serial_number",)
"""Fields of Gpu that a stranger could claim the board's warranty with."""
OF_ALERTS = ("detail", "acknowledged_by", "note")
"""Fields of Alert that may name users and commands."""


def as_seen(snapshot: Snapshot, *, has_details: bool, has_commands: bool) -> Snapshot:
    """The snapshot for a viewer who may see these."""
    if not has_details:
        return without_details(snapshot)
    return snapshot if has_commands else without_command_lines(snapshot)


def without_command_lines(snapshot: Snapshot) -> Snapshot:
    """The snapshot with program names only. A reason that is there already stays."""
    return msgspec.structs.replace(snapshot, gpus=tuple([_each_process(gpu, _named) for gpu in snapshot.gpus]))


def without_details(snapshot: Snapshot) -> Snapshot:
    """The snapshot with those fields null, and a reason where the struct has one."""
    return msgspec.structs.replace(
        snapshot,
        gpus=tuple([_without_names(gpu) for gpu in snapshot.gpus]),
        alerts=tuple([alert_without_details(alert) for alert in snapshot.alerts]),
    )


def _without_names(gpu: Gpu) -> Gpu:
    """Without who holds the GPU: "Held at 0 % for 47 min"."""
    gpu = _each_process(gpu, _anonymous)
    known = [name for name in OF_GPUS if getattr(gpu, name) is not None]
    if known:
        reasons = {**gpu.unavailable, **dict.fromkeys(known, REASON)}
        gpu = msgspec.structs.replace(gpu, **dict.fromkeys(known), unavailable=reasons)
    bottleneck = gpu.bottleneck
    if bottleneck is None or bottleneck.code != "held":
        return gpu
    text = f"Held at {bottleneck.text.rpartition(' at ')[2]}"
    return msgspec.structs.replace(gpu, bottleneck=msgspec.structs.replace(bottleneck, text=text))


def _each_process(gpu: Gpu, make: Callable[[GpuProcess], GpuProcess]) -> Gpu:
    if not gpu.processes:
        return gpu
    return msgspec.structs.replace(gpu, processes=tuple([make(process) for process in gpu.processes]))


def _named(process: GpuProcess) -> GpuProcess:
    if process.command is None:
        return process
    reasons = {**process.unavailable, "command": NEEDS_PERMISSION}
    return msgspec.structs.replace(process, command=None, unavailable=reasons)


def _anonymous(process: GpuProcess) -> GpuProcess:
    reasons = {**process.unavailable, **dict.fromkeys(OF_PROCESSES, REASON)}
    return msgspec.structs.replace(process, **dict.fromkeys(OF_PROCESSES), unavailable=reasons)


def alert_without_details(alert: Alert) -> Alert:
    """The alert without the fields that can name users and commands."""
    return msgspec.structs.replace(alert, **dict.fromkeys(OF_ALERTS))
