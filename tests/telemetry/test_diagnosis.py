"""The findings of doctor on hosts with something missing; each host is a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.telemetry.diagnosis import Finding, examine, notices_of
from tests.support.linux_host import FakeHost, as_nobody

A, B = "0000:01:00.0", "0000:02:00.0"
VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version: 12\n"


def findings(host: FakeHost, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """The findings, each bad one with a fix."""
    found = examine(host.root, environment or {})
    assert all(finding.fix for finding in found if finding.level == "bad")
    return found


def bad(host: FakeHost, environment: Mapping[str, str] | None = None) -> list[Finding]:
    return [finding for finding in findings(host, environment) if finding.level == "bad"]


def texts(found: list[Finding]) -> str:
    return "\n".join(finding.text for finding in found)


@pytest.fixture
def server(host: FakeHost) -> FakeHost:
    """A host with two GPUs whose driver is loaded."""
    host.gpu(A)
    host.gpu(B)
    host.write("proc/modules", "nvidia_uvm 1 0 - Live\nnvidia 2 1 nvidia_uvm, Live\n")
    host.write("proc/driver/nvidia/version", VERSION)
    host.write("dev/nvidia0", "")
    host.write("dev/nvidia1", "")
    return host


@pytest.fixture
def laptop(host: FakeHost) -> FakeHost:
    """A host with a GPU and no driver for it."""
    host.gpu(A, driver=None)
    return host


@pytest.fixture
def wsl(host: FakeHost) -> FakeHost:
    """Linux on Windows (WSL)."""
    host.write("proc/version", "Linux version 5.15.153.1-microsoft-standard-WSL2 (root@941d701f84f1)\n")
    return host


def test_healthy_host_has_no_bad_finding(server: FakeHost) -> None:
    assert bad(server) == []
    good = texts([finding for finding in findings(server) if finding.level == "good"])
    assert f"2 NVIDIA GPUs on the PCI bus: {A}, {B}." in good
    assert "The kernel module is loaded: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06" in good


def test_gpu_without_driver_is_reported_with_what_to_install(laptop: FakeHost) -> None:
    (finding,) = bad(laptop)
    assert finding.text == "The NVIDIA kernel module is not loaded."
    assert "sudo modprobe nvidia" in (finding.fix or "")
    assert f"1 NVIDIA GPU on the PCI bus: {A}." in texts(findings(laptop))


def test_nouveau_is_the_only_finding_because_the_driver_cannot_be_loaded_beside_it(laptop: FakeHost) -> None:
    """A second finding advised loading the driver, which fails while nouveau is loaded."""
    laptop.write("proc/modules", "nouveau 2 1 - Live\nttm 1 1 nouveau, Live\n")
    (finding,) = bad(laptop)
    assert "nouveau is loaded for the NVIDIA GPU" in finding.text
    assert "Install NVIDIA's driver" in (finding.fix or "")


def test_module_that_only_mentions_nouveau_is_not_nouveau(server: FakeHost) -> None:
    server.write("proc/modules", "ttm 1 1 nouveau, Live\nnvidia 2 1 - Live\n")
    assert bad(server) == []


@pytest.mark.parametrize(
    ("vendor", "name"),
    [("0x1002", "AMD"), ("0x8086", "Intel"), ("0x1a03", None)],
    ids=["AMD", "Intel", "a server's BMC"],
)
def test_gpus_of_other_vendors_need_no_nvidia_driver(host: FakeHost, vendor: str, name: str | None) -> None:
    host.gpu(A, driver="amdgpu")
    host.write(f"sys/bus/pci/devices/{A}/vendor", f"{vendor}\n")
    assert bad(host) == []
    if name is None:
        assert "No GPU on the PCI bus" in texts(findings(host))
    else:
        assert f"1 {name} GPU on the PCI bus: {A}." in texts(findings(host))


def test_processing_accelerators_are_gpus(host: FakeHost) -> None:
    """An MI300X is no display controller; of Intel's, that class has NPUs."""
    for address, vendor in ((A, "0x1002"), (B, "0x8086")):
        host.gpu(address, driver="amdgpu")
        host.write(f"sys/bus/pci/devices/{address}/vendor", f"{vendor}\n")
        host.write(f"sys/bus/pci/devices/{address}/class", "0x120000\n")
    assert f"1 AMD GPU on the PCI bus: {A}." in texts(findings(host))
    assert "Intel GPU on" not in texts(findings(host))


@pytest.mark.parametrize("is_bound", [True, False])
@pytest.mark.parametrize(("vendor", "name"), [("0x10de", "NVIDIA"), ("0x1002", "AMD")])
def test_gpu_kept_for_a_virtual_machine_needs_no_driver_here(
    host: FakeHost, vendor: str, name: str, *, is_bound: bool
) -> None:
    host.gpu(A, driver="vfio-pci" if is_bound else None)
    host.write(f"sys/bus/pci/devices/{A}/vendor", f"{vendor}\n")
    host.write(f"sys/bus/pci/devices/{A}/driver_override", "vfio-pci\n")
    assert bad(host) == []
    (finding,) = [each for each in findings(host) if "virtual machine" in each.text]
    assert f"The {name} GPU {A} is kept for a virtual machine (driver vfio-pci)" in finding.text
    assert "driverctl unset-override" in (finding.fix or "")
    host.gpu(B, driver=None)
    assert texts(bad(host)) == "The NVIDIA kernel module is not loaded."


@pytest.mark.parametrize("mark", ["compatible", "release"])
def test_jetson_is_recognized_though_its_gpu_is_not_on_the_bus(host: FakeHost, mark: str) -> None:
    host.write("proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0")
    if mark == "compatible":
        host.write("proc/device-tree/compatible", "nvidia,p3737-0000+p3701-0005\0nvidia,tegra234\0")
    else:
        host.write("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3\n")
    (finding,) = bad(host)
    assert "(nvgpu) is not loaded" in finding.text
    host.write("proc/modules", "nvgpu 2674688 23 - Live 0x0\n")
    assert bad(host) == []
    assert "NVIDIA Jetson AGX Orin Developer Kit: its GPU is integrated" in texts(findings(host))
    assert "No GPU on the PCI bus" not in texts(findings(host))
    host.write(".dockerenv", "")
    assert [finding.fix for finding in bad(host)] == ["Start it with `--runtime nvidia`."]
    host.write("dev/nvgpu/igpu0/ctrl", "")
    assert bad(host) == []


def test_other_boards_with_a_device_tree_are_no_jetson(host: FakeHost) -> None:
    host.write("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    host.write("proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0")
    assert "No GPU on the PCI bus" in texts(findings(host))


@pytest.mark.parametrize(
    ("modules", "driver", "text", "fix"),
    [
        ("nova_core 2 1 - Live\n", "NovaCore", "driver nova_core is loaded", "modprobe.blacklist=nova_core"),
        ("", "nouveau", "driver nouveau is loaded", "built into the kernel"),
        ("", "NovaCore", "driver NovaCore is loaded", "built into the kernel"),
    ],
)
def test_open_drivers_are_recognized_also_if_built_into_the_kernel(
    host: FakeHost, modules: str, driver: str, text: str, fix: str
) -> None:
    host.gpu(A, driver=driver)
    host.write("proc/modules", modules)
    (finding,) = bad(host)
    assert text in finding.text
    assert fix in (finding.fix or "")


def test_gpu_that_the_loaded_driver_does_not_drive_is_named(server: FakeHost) -> None:
    server.gpu("0000:03:00.0", driver=None)
    (finding,) = bad(server)
    assert finding.text == "The NVIDIA kernel module does not drive the GPU 0000:03:00.0."
    assert "dmesg" in (finding.fix or "")


def test_amd_gpu_without_its_kernel_driver_is_named(host: FakeHost) -> None:
    host.gpu(A, driver=None)
    host.write(f"sys/bus/pci/devices/{A}/vendor", "0x1002\n")
    (finding,) = [each for each in findings(host) if "No kernel driver" in each.text]
    assert f"AMD GPU {A}" in finding.text
    assert "amdgpu" in (finding.fix or "")


def test_missing_gpu_is_reported_with_the_fix_for_virtual_machines(host: FakeHost) -> None:
    (finding,) = [each for each in findings(host) if "PCI bus" in each.text]
    assert (finding.level, finding.text) == ("note", "No GPU on the PCI bus that this system sees.")
    assert "pass the GPU through" in (finding.fix or "")


def test_wsl_with_the_driver_reports_which_readings_are_missing(wsl: FakeHost) -> None:
    wsl.write("usr/lib/wsl/lib/libnvidia-ml.so.1", "")
    assert bad(wsl) == []
    assert "WSL: the driver is the one of Windows" in texts(findings(wsl))
    assert "PCI bus" not in texts(findings(wsl))


def test_wsl_without_the_driver_is_reported_with_the_install_on_windows(wsl: FakeHost) -> None:
    (finding,) = bad(wsl)
    assert "Windows does not share an NVIDIA driver" in finding.text
    assert "Install the NVIDIA driver in Windows (not in WSL)" in (finding.fix or "")


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_container_without_devices_is_reported_with_how_to_start_it(server: FakeHost, mark: str) -> None:
    server.write(mark, "")
    assert bad(server) == []
    for device in (server.root / "dev").iterdir():
        device.unlink()
    (finding,) = bad(server)
    assert "container without GPU devices" in finding.text
    assert "--gpus all" in (finding.fix or "")


def test_devices_without_permission_are_named(open_host: FakeHost) -> None:
    for name, mode in (("nvidia0", 0o600), ("nvidia1", 0o666), ("nvidiactl", 0o600)):
        open_host.write(f"dev/{name}", "").chmod(mode)
    with as_nobody():
        found = [finding for finding in bad(open_host) if "permission" in finding.text]
    assert [finding.text for finding in found] == ["No permission for /dev/nvidia0, /dev/nvidiactl."]
    assert "group `video`" in (found[0].fix or "")


def test_programs_are_searched_in_path(host: FakeHost, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nvtop").write_text("")
    (folder / "nvtop").chmod(0o755)
    found = {finding.text.split(" ", 1)[0]: finding for finding in findings(host, {"PATH": str(folder)})}
    assert found["nvtop"].text == f"nvtop is {folder}/nvtop."
    assert found["nvidia-smi"].text.startswith("nvidia-smi is not in PATH")
    assert (found["nvidia-smi"].level, found["nvidia-smi"].fix) == ("note", "It comes with the driver.")


def test_programs_are_missing_without_path(host: FakeHost) -> None:
    assert "nvtop is not in PATH" in texts(findings(host, {}))


def test_device_that_disappears_during_the_check_is_left_out(server: FakeHost) -> None:
    (server.root / f"sys/bus/pci/devices/{B}/class").unlink()
    assert f"1 NVIDIA GPU on the PCI bus: {A}." in texts(findings(server))


def test_page_without_gpus_shows_only_what_is_wrong() -> None:
    findings = [Finding("note", "nvtop is not in PATH."), Finding("bad", "No permission.", "Join the group.")]
    assert [(notice.text, notice.fix) for notice in notices_of(findings)] == [("No permission.", "Join the group.")]
