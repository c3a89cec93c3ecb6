"""Which GPUs are near each other on the PCI Express tree, by the kernel's own paths. Reading them wakes no GPU."""

from __future__ import annotations

import contextlib
import re
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SYSFS = Path("/sys")
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")


class Nearness(IntEnum):
    """As `nvidia-smi topo -m` tells it, farthest first."""

    UNKNOWN = 0
    """Between two processors (SYS), or not known."""
    NUMA_NODE = 1
    """The same NUMA node (NODE)."""
    HOST_BRIDGE = 2
    """The same PCIe host bridge (PHB)."""
    SWITCH = 3
    """The same PCIe switch (PIX, PXB): traffic between both does not pass the processor."""


class Place(NamedTuple):
    """Where a device is attached."""

    bridges: tuple[str, ...] = ()
    """Host bridge, root port, and the ports of switches, from the processor to the device: pci0000:3a, 0000:3a:00.0, …"""
    numa_node: int | None = None


def place_of(pci_bus_id: str | None, sysfs: Path = SYSFS) -> Place:
    """Where a GPU is attached; an empty place where the kernel does not tell, as in some containers."""
    if pci_bus_id is None or _ADDRESS.fullmatch(pci_bus_id) is None:
        return Place()
    device = sysfs / "bus/pci/devices" / pci_bus_id
    if not device.exists():
        return Place()
    *bridges, _ = device.resolve().relative_to((sysfs / "devices").resolve()).parts
    node = None
    with contextlib.suppress(OSError, ValueError):  # absent without NUMA; -1 means no node
        node = int((device / "numa_node").read_text())
    return Place(tuple(bridges), None if node is None or node < 0 else node)


def nearness(one: Place, other: Place) -> Nearness:
    """How near two devices are."""
    shared = 0
    for mine, theirs in zip(one.bridges, other.bridges, strict=False):
        if mine != theirs:
            break
        shared += 1
    if shared > 1:
        return Nearness.SWITCH
    if shared == 1:
        return Nearness.HOST_BRIDGE
    is_same_node = one.numa_node is not None and one.numa_node == other.numa_node
    return Nearness.NUMA_NODE if is_same_node else Nearness.UNKNOWN
