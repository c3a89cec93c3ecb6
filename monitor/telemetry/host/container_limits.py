"""CPU and memory limits and use of this container, from its cgroup (versions 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from monitor.telemetry.host.kernel_files import KernelFile
from monitor.telemetry.providers.base import explain
from monitor.telemetry.schema import ContainerLimits

_NO_LIMIT_BYTES = 1 << 60
"""Without a limit, version 1 has a number near 2^63."""
_MOST_BYTES = 1 << 16
"""Of a file; the longest, memory.stat, has 2 kB."""

NO_LIMIT = "the container has no limit"
NOT_REPORTED = "not reported by the container's cgroup"
NEEDS_TWO_READINGS = "needs two readings"


def is_container(root: Path, environment: Mapping[str, str]) -> bool:
    """Whether this is a container of Docker, Podman or Kubernetes, by the mark that each leaves."""
    marks = ((root / ".dockerenv").exists(), (root / "run/.containerenv").exists())
    return any(marks) or "KUBERNETES_SERVICE_HOST" in environment


class Limits:
    """Reads the container's own cgroup: /sys/fs/cgroup, or its place below if the host's whole tree is mounted there."""

    def __init__(self, root: Path) -> None:
        self._base = root / "sys/fs/cgroup"
        self._is_v2 = (self._base / "cgroup.controllers").exists()
        if self._is_v2:
            self._base = self._own(root)
        self._files: dict[str, KernelFile] = {}
        self._last: tuple[float, float] | None = None

    def read(self, at: float) -> ContainerLimits:
        """Limits and use; `at` is monotonic seconds. CPU use needs two readings."""
        used_seconds = self._cpu_seconds()
        used_cores = None
        if used_seconds is not None:
            if self._last is not None and at > self._last[1]:
                used_cores = max(0.0, (used_seconds - self._last[0]) / (at - self._last[1]))
            self._last = (used_seconds, at)
        limit, used = self._memory()
        values = {
            "cpu_limit_cores": self._cpu_limit(),
            "cpu_used_cores": used_cores,
            "memory_limit_bytes": limit,
            "memory_used_bytes": used,
        }
        reasons = {
            "cpu_limit_cores": NO_LIMIT,
            "cpu_used_cores": NOT_REPORTED if used_seconds is None else NEEDS_TWO_READINGS,
            "memory_limit_bytes": NO_LIMIT,
            "memory_used_bytes": NOT_REPORTED,
        }
        return msgspec.convert(
            {**values, "unavailable": explain(values, values, reasons, NOT_REPORTED)}, ContainerLimits
        )

    def _own(self, root: Path) -> Path:
        """With the host's cgroup namespace (`--cgroupns=host`) the top of the tree is the host's, without limits."""
        try:
            lines = (root / "proc/self/cgroup").read_text(errors="replace").splitlines()
        except OSError:
            return self._base
        path = next((line[3:] for line in lines if line.startswith("0::/")), "/")
        own = self._base / path.lstrip("/")
        return own if ".." not in path and own.is_dir() else self._base

    def _cpu_limit(self) -> float | None:
        if self._is_v2:
            quota, _, period = self._text("cpu.max").partition(" ")
        else:
            quota, period = self._text("cpu/cpu.cfs_quota_us"), self._text("cpu/cpu.cfs_period_us")
        if not quota.isdigit() or not period.isdigit() or int(period) == 0:
            return None  # "max", "-1" or no such file: no limit
        return int(quota) / int(period)

    def _cpu_seconds(self) -> float | None:
        if self._is_v2:
            usage = _number(self._text("cpu.stat"), "usage_usec")
            return None if usage is None else usage / 1e6
        text = self._text("cpuacct/cpuacct.usage")
        return int(text) / 1e9 if text.isdigit() else None

    def _memory(self) -> tuple[int | None, int | None]:
        """Limit and use, without what the kernel can reclaim at once (inactive file pages), as in `docker stats`."""
        if self._is_v2:
            limit, used, stat, spare = "memory.max", "memory.current", "memory.stat", "inactive_file"
        else:
            limit, used = "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"
            stat, spare = "memory/memory.stat", "total_inactive_file"
        limit_text, used_text = self._text(limit), self._text(used)
        limit_bytes = int(limit_text) if limit_text.isdigit() and int(limit_text) < _NO_LIMIT_BYTES else None
        if not used_text.isdigit():
            return limit_bytes, None
        return limit_bytes, max(0, int(used_text) - (_number(self._text(stat), spare) or 0))

    def _text(self, name: str) -> str:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = KernelFile(f"{self._base}/{name}", _MOST_BYTES)
        try:
            return file.read().decode(errors="replace").strip()
        except OSError:
            return ""


def _number(text: str, name: str) -> int | None:
    """The number in the line "name number"."""
    _, _, after = f"\n{text}".partition(f"\n{name} ")
    number = after.partition("\n")[0]
    return int(number) if number.isdigit() else None
