"""Whether a GPU is busy, idle-held, free or too hot, by its reading."""

from __future__ import annotations

from typing import NamedTuple

from monitor.telemetry.schema import Gpu, GpuUse


class IdleLimits(NamedTuple):
    """When a GPU counts as idle-held: its memory is held by processes while it does nothing. The defaults are the settings'."""

    memory_bytes: int = 1 << 30
    """Least total memory held by its processes."""
    utilization_percent: float = 5.0
    """Highest utilization that counts as idle, 0 to 100."""
    minutes: float = 30.0
    """How long before the alert rule for it fires."""


IDLE_BY_DEFAULT = IdleLimits()


def use_of(gpu: Gpu, idle: IdleLimits) -> GpuUse:
    """Whether a GPU is busy, idle-held (`held`) or free. Unknown without the readings that would show it in use."""
    if gpu.state == "lost":
        return "unknown"
    if gpu.state == "asleep":
        return "free"
    utilization = gpu.utilization_percent
    if utilization is not None and utilization > idle.utilization_percent:
        return "busy"
    if gpu.processes is None:
        return "busy" if utilization else "unknown"
    if utilization is None:
        return "busy" if gpu.processes else "unknown" if is_silent(gpu) or not _reports_memory(gpu) else "free"
    held = _held_bytes(gpu)
    if held is None:
        return "unknown"
    if gpu.processes and held >= idle.memory_bytes:
        return "held"
    return "busy" if utilization else "free"


def _reports_memory(gpu: Gpu) -> bool:
    """Whether the GPU, or an instance on it, reports its memory."""
    return gpu.memory_used_bytes is not None or any(each.memory_used_bytes is not None for each in gpu.mig_instances)


def _held_bytes(gpu: Gpu) -> int | None:
    """Memory held by all processes. If one of them is unknown, all used memory of the GPU, which they must account for."""
    held = 0
    for process in gpu.processes or ():
        if process.memory_used_bytes is None:
            return gpu.memory_used_bytes
        held += process.memory_used_bytes
    return held


def is_silent(gpu: Gpu) -> bool:
    """The driver lists the GPU, but gives nothing that the board itself measures: it is broken, or about to be lost.

    Such a GPU also has no processes and no used memory: the driver counts those by itself.
    """
    measured = (
        gpu.utilization_percent, gpu.temperature_celsius, gpu.power_watts, gpu.sm_clock_mhz, gpu.graphics_clock_mhz,
    )  # fmt: skip
    return gpu.state == "ok" and all(value is None for value in measured)


def is_hot(gpu: Gpu) -> bool:
    """At or above its own slowdown temperature."""
    limit = gpu.slowdown_temperature_celsius
    return limit is not None and gpu.temperature_celsius is not None and gpu.temperature_celsius >= limit
