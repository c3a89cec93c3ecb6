"""System metrics of the host: CPU, load and uptime from psutil, memory from /proc/meminfo, a container's limits from its cgroup."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from monitor.telemetry.host.container_limits import Limits, is_container
from monitor.telemetry.host.kernel_files import KernelFile
from monitor.telemetry.providers.base import used_percent
from monitor.telemetry.schema import System

NEEDS_TWO_READINGS = "needs two readings"
_SLOW_SECONDS = 5.0
"""For what costs more: CPU frequency (a file per core), process count (all of /proc); and for what seldom changes."""
_MEMINFO_BYTES = 1 << 14
"""/proc/meminfo has 1.5 kB."""
NOT_IN_CONTAINER = "not in a container"
_UNREADABLE = (OSError, AttributeError, LookupError, RuntimeError, ValueError, psutil.Error)
"""What psutil raises if a file of /proc is missing, unreadable or in an unknown format."""

Values = dict[str, Any]


class SystemMetrics:
    """Reads the host's metrics. Used in one thread."""

    def __init__(
        self,
        root: Path = Path("/"),
        environment: Mapping[str, str] = os.environ,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._root = root
        self._meminfo = KernelFile(str(root / "proc/meminfo"), _MEMINFO_BYTES)
        self._limits = Limits(root) if is_container(root, environment) else None
        self._cpu_before: list[tuple[float, float]] | None = None
        self._slow: Values = {}
        self._slow_reasons: dict[str, str] = {}
        self._slow_at: float | None = None
        self._reasons: dict[str, str] = {}

    def read(self, now: float) -> System:
        """The host's metrics at `now`, Unix time. What cannot be read is None, with a reason."""
        at = self._monotonic()
        if self._slow_at is None or at - self._slow_at >= _SLOW_SECONDS:
            self._slow_at = at
            self._read_slow()
        values, self._reasons = self._slow.copy(), self._slow_reasons.copy()
        self._take(values, ("cpu_percent", "cpu_core_percents"), self._cpu)
        self._take(values, ("load_1m", "load_5m", "load_15m"), _load)
        memory = ("memory_total_bytes", "memory_used_bytes", "memory_available_bytes", "memory_used_percent")
        self._take(values, memory, lambda: _memory(self._meminfo.read()))
        booted_at = values.get("booted_at")
        values["uptime_seconds"] = None if booted_at is None else max(0.0, now - booted_at)
        if self._limits is None:
            self._reasons["container"] = NOT_IN_CONTAINER
        return System(
            **values, container=self._limits.read(at) if self._limits else None, unavailable=self._reasons
        )  # fmt: skip

    def _take(self, values: Values, names: tuple[str, ...], ask: Callable[[], tuple[Any, ...]]) -> None:
        """Fill `names` with what `ask` returns; an error leaves only these unknown."""
        try:
            answers = ask()
        except _UNREADABLE as error:
            values.update(dict.fromkeys(names))
            self._reasons.update(dict.fromkeys(names, f"{type(error).__name__}: {error}"))
            return
        for name, answer in zip(names, answers, strict=True):
            values[name] = answer
            if answer is None:
                self._reasons.setdefault(name, "not reported by this system")

    def _read_slow(self) -> None:
        values: Values = {}
        self._reasons = {}
        self._take(values, ("cpu_count",), lambda: (psutil.cpu_count(),))
        self._take(values, ("cpu_frequency_mhz",), _frequency)
        self._take(values, ("swap_total_bytes", "swap_used_bytes"), lambda: _swap(self._meminfo.read()))
        self._take(values, ("process_count",), lambda: (len(psutil.pids()),))
        self._take(values, ("booted_at",), lambda: (psutil.boot_time(),))
        self._take(values, ("os_name",), lambda: (_os_name(self._root),))
        if values["booted_at"] is None:
            self._reasons["uptime_seconds"] = self._reasons["booted_at"]
        self._slow, self._slow_reasons = values, self._reasons

    def _cpu(self) -> tuple[float | None, tuple[float, ...] | None]:
        """All cores together and each core, from one reading of the kernel's counters."""
        times = [_busy_and_all(core) for core in psutil.cpu_times(percpu=True)]
        before, self._cpu_before = self._cpu_before, times
        if before is None or len(before) != len(times):
            self._reasons.update(cpu_percent=NEEDS_TWO_READINGS, cpu_core_percents=NEEDS_TWO_READINGS)
            return None, None
        spent = [(busy - b, every - e) for (busy, every), (b, e) in zip(times, before, strict=True)]
        cores = tuple(_share(busy, every) for busy, every in spent)
        return _share(sum(busy for busy, _ in spent), sum(every for _, every in spent)), cores


def _busy_and_all(core: Any) -> tuple[float, float]:
    """Seconds a core was busy, and all seconds. Linux counts guests' time in user and nice as well."""
    guests = getattr(core, "guest", 0.0) + getattr(core, "guest_nice", 0.0)
    every = sum(core) - guests
    return every - core.idle - getattr(core, "iowait", 0.0), every


def _share(busy: float, every: float) -> float:
    """Busy of all in percent; counters that stop or fall (a migrated virtual machine) count as idle."""
    return min(100.0, max(0.0, 100 * busy / every)) if every > 0 else 0.0


def _load() -> tuple[float, float, float]:
    one, five, fifteen = psutil.getloadavg()
    return one, five, fifteen


def _memory(meminfo: bytes) -> tuple[int, int, int, float | None]:
    # psutil takes three times as long: it opens the file, and reads all of it. For swap it also reads /proc/vmstat.
    total = _bytes_of(meminfo, "MemTotal")
    # Some containers see their own total beside what the host has available.
    available = min(total, _bytes_of(meminfo, "MemAvailable"))
    used = total - available
    return total, used, available, used_percent(used, total)


def _swap(meminfo: bytes) -> tuple[int, int]:
    total = _bytes_of(meminfo, "SwapTotal")
    return total, max(0, total - _bytes_of(meminfo, "SwapFree"))


def _bytes_of(meminfo: bytes, name: str) -> int:
    """The line "MemTotal:  24684084 kB"."""
    _, _, after = (b"\n" + meminfo).partition(f"\n{name}:".encode())
    if not after:
        raise LookupError(f"/proc/meminfo has no {name}")
    return int(after.split(maxsplit=1)[0]) * 1024


def _frequency() -> tuple[float | None]:
    frequency = psutil.cpu_freq()
    return (frequency.current if frequency is not None and frequency.current else None,)


def _os_name(root: Path) -> str | None:
    """PRETTY_NAME of os-release(5)."""
    for place in ("etc/os-release", "usr/lib/os-release"):
        path = root / place
        if path.exists():
            for line in path.read_text(errors="replace").splitlines():
                name, _, value = line.partition("=")
                if name == "PRETTY_NAME":
                    return value.strip().strip("\"'")
    return None
