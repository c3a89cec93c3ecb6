"""The interface of providers, their errors, and a rule for all of them: what is unknown has a reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from monitor.telemetry.schema import Gpu, GpuProcess, Reading

NOT_SUPPORTED = "not supported by this GPU"
NO_PERMISSION = "no permission: the driver reports this only to privileged users"

LONG_PCI_DOMAIN = re.compile(r"^0000(?=[0-9a-f]{4}:)")
"""NVML and nvidia-smi print eight digits of a PCI domain, sysfs four."""

_FACTS_OF_STATE = {"since", "read_at", "bottleneck"}
GPU_METRICS: tuple[str, ...] = tuple(
    field.name for field in msgspec.structs.fields(Gpu) if field.default is None and field.name not in _FACTS_OF_STATE
)
"""Fields of Gpu that can be unknown and then have a reason."""

PROCESS_METRICS: tuple[str, ...] = (
    "memory_used_bytes",
    "sm_utilization_percent",
    "memory_utilization_percent",
    "encoder_utilization_percent",
    "decoder_utilization_percent",
)
"""Fields of GpuProcess that a provider fills; the others come from host/processes.py."""


class Explained(Exception):
    """An error with its reason and how to fix it."""

    def __init__(self, reason: str, fix: str | None = None) -> None:
        super().__init__(reason if fix is None else f"{reason} {fix}")
        self.reason = reason
        self.fix = fix


class ProviderUnavailable(Explained):
    """The provider cannot be opened on this host, or finds no GPU. The next one is tried."""


class ProviderFailed(Explained):
    """The provider worked before and no longer does. A new process has to open it."""


class Provider(Protocol):
    """Opened once, read at each tick, closed once, all in one thread of the sampler's process."""

    name: str
    is_simulated: bool
    streams_at_interval: bool
    """Its interval is fixed when it is opened, so another interval needs another process."""

    def open(self) -> None:
        """Find at least one GPU, or raise ProviderUnavailable with the reason and the fix."""

    def read(self, now: float) -> Reading:
        """Read all GPUs; `now` is Unix time. Raises ProviderFailed if none can be read any more."""

    def close(self) -> None:
        """Release everything, also after an error. Can be called again."""


def used_percent(used: float | None, total: float | None) -> float | None:
    """Used of total in percent; None if either is unknown or the total is 0."""
    if used is None or not total:
        return None
    return min(100.0, max(0.0, 100.0 * used / total))


_COMPUTED_FROM = {
    "memory_used_percent": ("memory_used_bytes", "memory_total_bytes"),
    "memory_unattributed_bytes": ("memory_used_bytes", "processes"),
}


def explain(
    values: Mapping[str, Any], metrics: Iterable[str], reasons: Mapping[str, str], default: str
) -> dict[str, str]:
    """The `unavailable` map: for each metric that is None in `values`, its reason or else `default`.

    A metric that is computed from others has the reason of the one that is missing.
    """
    found = {name: reasons.get(name, default) for name in metrics if values.get(name) is None}
    for name, parts in _COMPUTED_FROM.items():
        if name in found and name not in reasons:
            missing = next((part for part in parts if part in found), None)
            if missing is not None:
                found[name] = found[missing]
            elif name == "memory_unattributed_bytes":
                found[name] = "the memory of a process is unknown"
    return found


def unattributed_bytes(used: int | None, processes: tuple[GpuProcess, ...] | None) -> int | None:
    """Used memory that belongs to no listed process; None if any part of it is unknown."""
    if used is None or processes is None:
        return None
    explained = 0
    for process in processes:
        if process.memory_used_bytes is None:
            return None
        explained += process.memory_used_bytes
    return max(0, used - explained)
