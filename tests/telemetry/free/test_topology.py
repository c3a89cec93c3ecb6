"""Which GPUs are linked by NVLink, or share a switch, a host bridge or a NUMA node on a PCI tree as the kernel shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.telemetry.free.topology import Nearness, Place, nearness, place_of
from monitor.telemetry.schema import Gpu, NvLink
from tests.support.snapshots import gpu

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
        ("0000:1c:00.0", Nearness.PCIE_SWITCH),
        ("0000:1f:00.0", Nearness.HOST_BRIDGE),
        ("0000:3b:00.0", Nearness.NUMA_NODE),
        ("0000:86:00.0", Nearness.UNKNOWN),
        ("0000:af:00.0", Nearness.UNKNOWN),
    ],
)
def test_nearness_follows_the_tree(sysfs: Path, other: str, near: Nearness) -> None:
    assert nearness(place_of(at("0000:1b:00.0"), sysfs), place_of(at(other), sysfs)) is near


@pytest.mark.parametrize("address", [None, "0000:ff:00.0", "../../../etc", ""])
def test_device_that_the_kernel_does_not_show_is_near_nothing(sysfs: Path, address: str | None) -> None:
    here = place_of(at(address), sysfs)
    assert (here.bridges, here.numa_node) == ((), None)
    assert nearness(here, Place()) is Nearness.UNKNOWN


def to_gpu(address: str | None, *, is_active: bool = True) -> NvLink:
    return NvLink(link=0, is_active=is_active, peer_type="gpu", peer_pci_bus_id=address)


TO_SWITCH = NvLink(link=1, is_active=True, peer_type="switch")


@pytest.mark.parametrize(
    ("links", "other_links", "near"),
    [
        pytest.param([to_gpu("0000:86:00.0")], [], Nearness.NVLINK, id="direct, told by one of them"),
        pytest.param([], [to_gpu("0000:1b:00.0")], Nearness.NVLINK, id="direct, told by the other"),
        pytest.param([TO_SWITCH], [TO_SWITCH], Nearness.NVLINK, id="both on a switch"),
        pytest.param([TO_SWITCH], [to_gpu("0000:af:00.0")], Nearness.UNKNOWN, id="one on a switch"),
        pytest.param([to_gpu("0000:86:00.0", is_active=False)], [], Nearness.UNKNOWN, id="a link that is down"),
        pytest.param([to_gpu(None)], [to_gpu(None)], Nearness.UNKNOWN, id="other ends without an address"),
    ],
)
def test_nvlink_is_nearer_than_any_bus(
    sysfs: Path, links: list[NvLink], other_links: list[NvLink], near: Nearness
) -> None:
    one, other = at("0000:1b:00.0", *links), at("0000:86:00.0", *other_links)
    assert nearness(place_of(one, sysfs), place_of(other, sysfs)) is near


def at(address: str | None, *links: NvLink) -> Gpu:
    return gpu(pci_bus_id=address, nvlinks=links)
