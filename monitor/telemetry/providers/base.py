"""What every provider is, how it fails, and the two rules each of them keeps: percentages are 0–100, unknown has a reason."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from monitor.logs.lines import LogFormat
from monitor.telemetry.schema import Gpu, GpuProcess, Reading

log = logging.getLogger(__name__)

NOT_SUPPORTED = "not supported by this GPU"
NO_PERMISSION = "no permission: the driver answers this only to privileged users"

LONG_PCI_DOMAIN = re.compile(r"^0000(?=[0-9a-f]{4}:)")
"""What NVML and nvidia-smi write before the four digits of a PCI domain that sysfs has."""

_FACTS_OF_STATE = {"since", "read_at"}
GPU_METRICS: tuple[str, ...] = tuple(
    field.name for field in msgspec.structs.fields(Gpu) if field.default is None and field.name not in _FACTS_OF_STATE
)
"""Fields of Gpu that may be unknown and then have a reason."""

PROCESS_METRICS: tuple[str, ...] = (
    "memory_used_bytes",
    "sm_utilization_percent",
    "memory_utilization_percent",
    "encoder_utilization_percent",
    "decoder_utilization_percent",
)
"""Fields of GpuProcess that a provider fills; the others come from the host, see processes.py."""


class Explained(Exception):
    """An error in plain words: the reason, and what to do about it."""

    def __init__(self, reason: str, fix: str | None = None) -> None:
        super().__init__(reason if fix is None else f"{reason} {fix}")
        self.reason = reason
        self.fix = fix


class ProviderUnavailable(Explained):
    """The provider cannot be opened on this host, or finds no GPU: the next one is tried."""


class ProviderFailed(Explained):
    """The provider answered before and cannot go on: a fresh process has to start over."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the sampler is told; each provider takes from it what it needs."""

    interval_seconds: float = 1.0
    """Time between readings, 0.1 to 60."""
    provider: str | None = None
    """Name of the one provider to use; None tries them in order."""
    simulated_gpus: int = 8
    replay_file: str | None = None
    replay_speed: float = 1.0
    """1: the recording's own pace; 2: twice as fast; 0: as fast as it is asked."""
    let_gpus_sleep: str = "auto"
    """auto, always or never: see sleep.py."""
    show_commands: str = "full"
    """full, name or none: how much of a command line leaves this process."""
    log_level: str = "INFO"
    """DEBUG to CRITICAL: of the sampler's own records, on standard error."""
    log_format: LogFormat = "text"
    """How these look."""
    is_watched: bool = False
    """Somebody looks at the readings: do not let go of the driver."""
    unattached: tuple[str, ...] = ()
    """PCI bus ids of GPUs just let go so that they can sleep: not opened before they have slept and woken."""
    provider_before: str | None = None
    """The provider of the sampler before: it keeps its name while every GPU sleeps and none is opened."""
    root: str = "/"
    """Where /proc, /sys and /dev are; another folder in tests."""


class Provider(Protocol):
    """Opened once, asked at each tick, closed once; all in one thread of the sampler's process."""

    name: str
    is_simulated: bool
    streams_at_interval: bool
    """It reads at a pace fixed when opened, so another interval means opening it anew."""

    def open(self) -> None:
        """Find at least one GPU, or raise ProviderUnavailable with the reason and the fix."""

    def read(self, now: float) -> Reading:
        """Answer the GPUs as they are; `now` is Unix time. Raises ProviderFailed when all is lost."""

    def close(self) -> None:
        """Let go of everything, also after an error; more than once does no harm."""


class PercentGate:
    """Brings percentages into 0–100 where they enter the schema, once, and counts how often it had to."""

    def __init__(self) -> None:
        self.clamped_count = 0

    def __call__(self, value: float, metric: str) -> float:
        if 0 <= value <= 100:
            return value
        self.clamped_count += 1
        log.debug("%s: %r is outside 0-100, clamped", metric, value)
        return 100 if value > 100 else 0


def used_percent(used: float | None, total: float | None) -> float | None:
    """Used of total as a percentage, None where either is unknown or the total is 0."""
    if used is None or not total:
        return None
    return min(100.0, max(0.0, 100.0 * used / total))


def explain(
    values: Mapping[str, Any], metrics: Iterable[str], reasons: Mapping[str, str], default: str
) -> dict[str, str]:
    """The `unavailable` map: for each metric that is None in `values`, its reason or else `default`."""
    return {name: reasons.get(name, default) for name in metrics if values.get(name) is None}


def unattributed_bytes(used: int | None, processes: tuple[GpuProcess, ...] | None) -> int | None:
    """Used memory that no process explains; None unless every part of the difference is known."""
    if used is None or processes is None:
        return None
    explained = 0
    for process in processes:
        if process.memory_used_bytes is None:
            return None
        explained += process.memory_used_bytes
    return max(0, used - explained)
