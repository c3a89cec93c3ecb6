"""GPUs that the kernel can suspend (laptops, RTD3): examined only through sysfs, because calling the driver wakes them.

An open handle keeps a GPU awake as well, so a sampler that has such GPUs open exits when they have been idle for a while,
and the next one does not open them until they have slept and woken. Nothing under /proc/driver/nvidia/gpus is read:
its `information` takes a power reference (nv_procfs_read_gpu_info in NVIDIA's kernel module), which wakes the GPU too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from monitor.telemetry.providers.base import GPU_METRICS, explain
from monitor.telemetry.schema import Gpu

NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASS = "0x03"
ASLEEP = "asleep: not queried, to let it sleep"
RELEASED = "released, so that it can fall asleep"
IDLE_SECONDS = 30.0
STAYS_AWAKE_SECONDS = 300.0
"""A released GPU that is still awake after this is in use elsewhere: it is read again."""


class SysfsGpu(NamedTuple):
    """An NVIDIA GPU on the PCI bus, as the kernel sees it."""

    pci_bus_id: str
    device_id: str
    path: Path

    def is_suspended(self) -> bool:
        """Whether the kernel has cut its power."""
        return _read(self.path / "power/runtime_status") == "suspended"

    def may_sleep(self, policy: str) -> bool:
        """Whether to let it sleep; `auto`: if the kernel can suspend it (its power control is auto too)."""
        if policy == "auto":
            return _read(self.path / "power/control") == "auto"
        return policy == "always"


def find_gpus(root: Path) -> tuple[SysfsGpu, ...]:
    """Every display controller bound to NVIDIA's driver, in the order of the PCI bus.

    Those bound to nouveau and vfio-pci sleep as well, but no provider can read them: the providers give the reason.
    """
    return tuple(
        SysfsGpu(path.name.lower(), _read(path / "device").removeprefix("0x"), path)
        for path in sorted((root / "sys/bus/pci/devices").glob("*"))
        if _read(path / "vendor") == NVIDIA_VENDOR
        and _read(path / "class").startswith(DISPLAY_CLASS)
        and _driver(path) == "nvidia"
    )


def _driver(path: Path) -> str:
    try:
        return (path / "driver").readlink().name
    except OSError:
        return ""  # not bound to a driver


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # the kernel has no such file, or the device has just disappeared


class Sleepers:
    """The GPUs that a sampler does not open: those asleep, and those released until they have slept and woken."""

    def __init__(self, gpus: Sequence[SysfsGpu], policy: str, released: Collection[str], now: float) -> None:
        self._gpus = gpus
        self._index = {gpu.pci_bus_id: index for index, gpu in enumerate(gpus)}
        self._since = now
        self.sleepable = frozenset(gpu.pci_bus_id for gpu in gpus if gpu.may_sleep(policy))
        self._alone: dict[str, tuple[SysfsGpu, bool]] = {}
        """PCI bus id → the GPU, and whether it has slept."""
        for gpu in gpus:
            if gpu.pci_bus_id in self.sleepable:
                is_suspended = gpu.is_suspended()
                if is_suspended or gpu.pci_bus_id in released:
                    self._alone[gpu.pci_bus_id] = (gpu, is_suspended)

    @property
    def left_alone(self) -> tuple[str, ...]:
        """PCI bus ids of the GPUs that must not be opened."""
        return tuple(self._alone)

    @property
    def are_all(self) -> bool:
        """Whether there is no other GPU, so that the driver is not needed."""
        return bool(self._gpus) and len(self._alone) == len(self._gpus)

    def woken(self, now: float, *, is_watched: bool) -> tuple[str, ...]:
        """Those to read again: they have woken, or they stay awake while someone is viewing or using them."""
        woken = []
        for pci_bus_id, (gpu, has_slept) in self._alone.items():
            if gpu.is_suspended():
                self._alone[pci_bus_id] = (gpu, True)
            elif has_slept or is_watched or now - self._since > STAYS_AWAKE_SECONDS:
                woken.append(pci_bus_id)
        return tuple(woken)

    def as_gpus(self, now: float) -> tuple[Gpu, ...]:
        """These GPUs without the driver's facts. The roster adds what was known before."""
        return tuple(self._asleep(gpu, has_slept, now) for gpu, has_slept in self._alone.values())

    def _asleep(self, gpu: SysfsGpu, has_slept: bool, now: float) -> Gpu:
        facts = {"pci_bus_id": gpu.pci_bus_id}
        return Gpu(
            index=self._index[gpu.pci_bus_id],
            uuid=f"pci-{gpu.pci_bus_id}",
            name=f"NVIDIA GPU {gpu.device_id}",
            state="asleep",
            since=now,
            pci_bus_id=gpu.pci_bus_id,
            unavailable=explain(facts, GPU_METRICS, {}, ASLEEP if has_slept else RELEASED),
        )


class IdleWatch:
    """Decides when to release the GPUs that can sleep: all idle, without viewers, for long enough."""

    def __init__(self, sleepable: Iterable[str]) -> None:
        self._sleepable = frozenset(sleepable)
        self._idle_since: float | None = None

    def to_release(self, gpus: Iterable[Gpu], now: float, *, is_watched: bool) -> tuple[str, ...]:
        """PCI bus ids to release now; empty while one is in use or watched, or not idle for long enough."""
        mine = [gpu for gpu in gpus if gpu.pci_bus_id in self._sleepable and gpu.state == "ok"]
        if not mine or is_watched or any(_is_busy(gpu) for gpu in mine):
            self._idle_since = None
            return ()
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < IDLE_SECONDS:
            return ()
        return tuple(gpu.pci_bus_id for gpu in mine if gpu.pci_bus_id is not None)


def _is_busy(gpu: Gpu) -> bool:
    return bool(gpu.processes) or (gpu.utilization_percent or 0) > 0
