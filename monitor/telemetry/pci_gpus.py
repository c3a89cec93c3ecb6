"""The GPUs on the PCI bus and the driver of each, from sysfs. Nothing read here wakes a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
_DISPLAY = "0x03"
_ACCELERATOR = "0x12"
"""PCI class 12h, processing accelerators: AMD's Instinct boards (MI300X). Intel's are no GPUs, but NPUs."""


class PciGpu(NamedTuple):
    """A GPU as the kernel sees it."""

    vendor: str
    pci_bus_id: str
    driver: str | None
    """The kernel driver that is bound to it, or the one that it is reserved for; None: no driver."""

    @property
    def is_passed_through(self) -> bool:
        """Whether it is kept for a virtual machine, so that no driver of this host can read it."""
        return self.driver is not None and self.driver in ("vfio-pci", "pci-stub", "pciback", "xen-pciback")

    @property
    def has_open_driver(self) -> bool:
        """Whether one of the kernel's own drivers for NVIDIA is bound to it: nouveau or its successor nova."""
        return self.driver is not None and self.driver.lower().startswith(("nouveau", "nova"))


def pci_gpus(root: Path) -> list[PciGpu]:
    """Every GPU of the known vendors, in the order of the bus."""
    found = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            vendor = VENDORS.get((device / "vendor").read_text().strip())
            kind = (device / "class").read_text().strip()
        except OSError:
            continue  # the device disappeared meanwhile
        if vendor is not None and kind.startswith((_DISPLAY,) if vendor == "Intel" else (_DISPLAY, _ACCELERATOR)):
            found.append(PciGpu(vendor, device.name, _driver_of(device)))
    return found


def _driver_of(device: Path) -> str | None:
    try:
        return (device / "driver").readlink().name
    except OSError:
        pass  # not bound
    try:
        override = (device / "driver_override").read_text().strip()
    except OSError:
        return None  # older kernels have no such file
    return None if override in ("", "(null)") else override
