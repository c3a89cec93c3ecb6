"""Which GPUs share a switch, a host bridge or a NUMA node, on a PCI tree as the kernel shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.telemetry.free.topology import Nearness, Place, nearness, place_of

TREE = {
    "0000:1b:00.0": ("pci0000:17/0000:17:02.0/0000:18:00.0/0000:19:00.0", 0),
    "0000:1c:00.0": ("pci0000:17/0000:17:02.0/0000:18:00.0/0000:19:01.0", 0),
    "0000:1f:00.0": ("pci0000:17/0000:17:04.0", 0),
    "0000:3b:00.0": ("pci0000:3a/0000:3a:00.0", 0),
    "0000:86:00.0": ("pci0000:85/0000:85:00.0", 1),
    "0000:af:00.0": ("pci0000:ae/0000:ae:00.0", -1),
}
"""Two GPUs behind one switch, one at the same host bridge, one at the same processor, one at the other, one unknown."""


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    links = tmp_path / "bus/pci/devices"
    links.mkdir(parents=True)
    for address, (bridges, node) in TREE.items():
        device = tmp_path / "devices" / bridges / address
        device.mkdir(parents=True)
        (device / "numa_node").write_text(f"{node}\n")
        (links / address).symlink_to(device)
    return tmp_path


@pytest.mark.parametrize(
    ("other", "near"),
    [
        ("0000:1c:00.0", Nearness.SWITCH),
        ("0000:1f:00.0", Nearness.HOST_BRIDGE),
        ("0000:3b:00.0", Nearness.NUMA_NODE),
        ("0000:86:00.0", Nearness.UNKNOWN),
        ("0000:af:00.0", Nearness.UNKNOWN),
    ],
)
def test_nearness_follows_the_tree(sysfs: Path, other: str, near: Nearness) -> None:
    assert nearness(place_of("0000:1b:00.0", sysfs), place_of(other, sysfs)) is near


@pytest.mark.parametrize("address", [None, "0000:ff:00.0", "../../../etc", ""])
def test_device_that_the_kernel_does_not_show_is_near_nothing(sysfs: Path, address: str | None) -> None:
    assert place_of(address, sysfs) == Place()
    assert nearness(Place(), Place()) is Nearness.UNKNOWN
