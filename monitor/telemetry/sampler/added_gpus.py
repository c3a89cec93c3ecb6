"""GPUs added while a sampler runs that its provider does not find: a driver's library may list only those of its start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from monitor.telemetry.sampler.gpu_sleep import find_gpus
from monitor.telemetry.schema import Gpu

_LOOK_SECONDS = 15.0


class AddedGpus:
    """Compares the PCI bus with the readings; only sysfs is read."""

    def __init__(self, root: Path) -> None:
        """GPUs that are on the bus now and are not read have failed at the start."""
        self._root = root
        self._at_start = self._on_the_bus()
        self._missing: set[str] = set()
        self._look_at: float | None = None

    def are_missing(self, gpus: Iterable[Gpu], at: float) -> bool:
        """Whether a GPU was added that two looks in a row did not find in the readings: a new sampler has to open it.

        `at` is monotonic seconds.
        """
        if self._look_at is None:
            self._look_at = at + _LOOK_SECONDS
        if at < self._look_at:
            return False
        self._look_at = at + _LOOK_SECONDS
        before = self._missing
        self._missing = self._on_the_bus() - self._at_start - {gpu.pci_bus_id for gpu in gpus if gpu.pci_bus_id}
        return bool(before & self._missing)

    def _on_the_bus(self) -> set[str]:
        return {gpu.pci_bus_id for gpu in find_gpus(self._root)}
