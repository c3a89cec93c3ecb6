"""Which GPUs are near each other: by NVLink, as read, and on the PCI Express tree, by the kernel's paths. It wakes no GPU."""

from __future__ import annotations

import contextlib
import re
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from monitor.telemetry.schema import Gpu

SYSFS = Path("/sys")
_NO_SYSFS = Path("/nonexistent")
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")


class Nearness(IntEnum):
    """As `nvidia-smi topo -m` tells it, farthest first."""

    UNKNOWN = 0
    """Between two processors (SYS), or not known."""
    NUMA_NODE = 1
    """The same NUMA node (NODE)."""
    HOST_BRIDGE = 2
    """The same PCIe host bridge (PHB)."""
    PCIE_SWITCH = 3
    """The same PCIe switch (PIX, PXB): traffic between both does not pass the processor."""
    NVLINK = 4
    """NVLink between both, direct or over NVSwitches (NV1, NV2, …)."""


class Place(NamedTuple):
    """Where a GPU is attached."""

    bridges: tuple[str, ...] = ()
    """Host bridge, root port, and the ports of switches, from the processor to the device: pci0000:3a, 0000:3a:00.0, …"""
    numa_node: int | None = None
    pci_bus_id: str | None = None
    nvlink_peers: frozenset[str] = frozenset()
    """PCI addresses at the other ends of its active NVLinks."""
    is_on_nvswitch: bool = False


def place_of(gpu: Gpu, sysfs: Path = SYSFS) -> Place:
    """Where a GPU is attached, as far as the driver and the kernel tell; in some containers the kernel does not."""
    links = [link for link in gpu.nvlinks or () if link.is_active]
    bridges, numa_node = _on_pcie(gpu.pci_bus_id, sysfs)
    return Place(
        bridges,
        numa_node,
        gpu.pci_bus_id,
        frozenset([link.peer_pci_bus_id for link in links if link.peer_pci_bus_id is not None]),
        any(link.peer_type == "switch" for link in links),
    )


def place_elsewhere(gpu: Gpu) -> Place:
    """Of a GPU of another host, whose kernel is not asked: by its NVLinks alone."""
    return place_of(gpu, _NO_SYSFS)


def _on_pcie(pci_bus_id: str | None, sysfs: Path) -> tuple[tuple[str, ...], int | None]:
    """The bridges above the device, and its NUMA node."""
    if pci_bus_id is None or _ADDRESS.fullmatch(pci_bus_id) is None:
        return (), None
    device = sysfs / "bus/pci/devices" / pci_bus_id
    if not device.exists():
        return (), None
    *bridges, _ = device.resolve().relative_to((sysfs / "devices").resolve()).parts
    node = None
    with contextlib.suppress(OSError, ValueError):  # absent without NUMA; -1 means no node
        node = int((device / "numa_node").read_text())
    return tuple(bridges), None if node is None or node < 0 else node


def nearness(one: Place, other: Place) -> Nearness:
    """How near two GPUs are."""
    if are_linked(one, other):
        return Nearness.NVLINK
    shared = _shared_bridges(one, other)
    if shared > 1:
        return Nearness.PCIE_SWITCH
    if shared == 1:
        return Nearness.HOST_BRIDGE
    is_same_node = one.numa_node is not None and one.numa_node == other.numa_node
    return Nearness.NUMA_NODE if is_same_node else Nearness.UNKNOWN


def are_linked(one: Place, other: Place) -> bool:
    """Whether NVLink connects two GPUs: directly, or both are attached to the host's NVSwitches, which form one fabric."""
    is_direct = one.pci_bus_id in other.nvlink_peers or other.pci_bus_id in one.nvlink_peers
    return is_direct or (one.is_on_nvswitch and other.is_on_nvswitch)


def share_pcie_switch(one: Place, other: Place) -> bool:
    """Whether two GPUs are behind the same PCIe switch."""
    return _shared_bridges(one, other) > 1


def _shared_bridges(one: Place, other: Place) -> int:
    shared = 0
    for mine, theirs in zip(one.bridges, other.bridges, strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared
