"""Whether a GPU is busy, held by idle processes, free or too hot, by its reading."""

from __future__ import annotations

from typing import Literal, NamedTuple

from monitor.telemetry.schema import Gpu

Use = Literal["busy", "held", "free", "unknown"]


class IdleLimits(NamedTuple):
    """From where on a GPU counts as held by processes that do nothing. The settings say it; these are their defaults."""

    memory_bytes: int = 1 << 30
    """What its processes hold together, at least."""
    utilization_percent: float = 5.0
    """The highest utilization that counts as doing nothing, 0 to 100."""


IDLE_BY_DEFAULT = IdleLimits()


def use_of(gpu: Gpu, idle: IdleLimits) -> Use:
    """Whether a GPU works, is only held by processes that do nothing, or is free to take."""
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
        return "busy" if gpu.processes else "free"
    held = _held_bytes(gpu)
    if held is None:
        return "unknown"
    if gpu.processes and held >= idle.memory_bytes:
        return "held"
    return "busy" if utilization else "free"


def _held_bytes(gpu: Gpu) -> int | None:
    """What the processes hold together. Where one does not tell: what is used of the GPU, for which they are all there is."""
    held = 0
    for process in gpu.processes or ():
        if process.memory_used_bytes is None:
            return gpu.memory_used_bytes
        held += process.memory_used_bytes
    return held


def is_hot(gpu: Gpu) -> bool:
    """At or above the temperature at which the card itself slows down."""
    limit = gpu.slowdown_temperature_celsius
    return limit is not None and gpu.temperature_celsius is not None and gpu.temperature_celsius >= limit
