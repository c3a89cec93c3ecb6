"""What the files of this host say about its GPUs and drivers. The driver itself is not called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from monitor.telemetry.host.container_limits import is_container
from monitor.telemetry.pci_gpus import VENDORS, PciGpu, pci_gpus
from monitor.telemetry.schema import Notice

Level = Literal["good", "note", "bad"]


class Finding(NamedTuple):
    """One thing checked, what it means, and how to fix it."""

    level: Level
    text: str
    fix: str | None = None


_OPEN_DRIVERS = ("nouveau", "nova_core")
_DRIVERS = {"AMD": "amdgpu", "Intel": "xe or i915"}
_TEGRA_DEVICES = ("nvgpu", "nvhost-gpu", "nvmap")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def is_wsl(root: Path) -> bool:
    """Windows Subsystem for Linux, by the name of its kernel."""
    return "microsoft" in _read(root / "proc/version").lower()


def tegra_model(root: Path) -> str | None:
    """The name of a Jetson or another board with NVIDIA's Tegra, whose GPU is not on the PCI bus; None elsewhere."""
    compatible = _read(root / "proc/device-tree/compatible")
    is_tegra = "nvidia,tegra" in compatible or (root / "etc/nv_tegra_release").exists()
    return (_read(root / "proc/device-tree/model").strip("\0\n ") or "NVIDIA Tegra") if is_tegra else None


def examine(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Everything that can be found out about GPUs and drivers without calling a driver."""
    gpus, tegra, wsl = pci_gpus(root), tegra_model(root), is_wsl(root)
    modules = {line.split(" ", 1)[0] for line in _read(root / "proc/modules").splitlines()}
    devices = sorted(path.name for path in (root / "dev").glob("nvidia[0-9]*"))
    findings = [*_on_the_bus(gpus), *_passed_through(gpus)]
    if tegra is not None:
        findings.append(Finding("good", f"{tegra}: its GPU is integrated, and not on the PCI bus."))
    elif not gpus and not wsl:
        findings.append(Finding("note", "No GPU on the PCI bus that this system sees.",
                                "In a virtual machine, pass the GPU through to it. On a host, see `lspci -nn`, and check the "
                                "board's seating and power."))  # fmt: skip
    if wsl:
        is_shared = (root / "usr/lib/wsl/lib/libnvidia-ml.so.1").exists()
        findings.append(
            Finding("note", "WSL: the driver is the one of Windows; processes, fans and some other readings do not exist here.")
            if is_shared
            else Finding("bad", "WSL, but Windows does not share an NVIDIA driver with it.",
                         "Install the NVIDIA driver in Windows (not in WSL) and run `wsl --update`.")
        )  # fmt: skip
    else:
        findings += _nvidia_driver(root, gpus, modules, tegra)
    findings += _other_drivers(gpus)
    has_devices = devices or any((root / "dev" / name).exists() for name in _TEGRA_DEVICES)
    if is_container(root, environment) and not has_devices and not wsl:
        findings.append(Finding("bad", "This is a container without GPU devices (`/dev/nvidia0` is missing).",
                                "Start it with `--runtime nvidia`." if tegra
                                else "Start it with `--gpus all` (NVIDIA container toolkit on the host)."))  # fmt: skip
    control = ["nvidiactl"] if (root / "dev/nvidiactl").exists() else []  # every call to the driver goes through it
    unreadable = [name for name in (*devices, *control) if not os.access(root / "dev" / name, os.R_OK | os.W_OK)]
    if unreadable:
        findings.append(Finding("bad", f"No permission for /dev/{', /dev/'.join(unreadable)}.",
                                "Give this user read and write access, often through the group `video`."))  # fmt: skip
    for program, use in (
        ("nvidia-smi", "the second way to read NVIDIA GPUs"),
        ("nvtop", "the way to read AMD and Intel GPUs"),
    ):
        where = shutil.which(program, path=environment.get("PATH", ""))
        findings.append(
            Finding("good", f"{program} is {where}.")
            if where
            else Finding("note", f"{program} is not in PATH; it is {use}.",
                         "It comes with the driver." if program == "nvidia-smi" else "Install nvtop 3.2 or newer.")
        )  # fmt: skip
    return findings


def _on_the_bus(gpus: Sequence[PciGpu]) -> Iterator[Finding]:
    for vendor in VENDORS.values():
        addresses = [gpu.pci_bus_id for gpu in gpus if gpu.vendor == vendor]
        if not addresses:
            continue
        plural = "s" if len(addresses) > 1 else ""
        yield Finding("good", f"{len(addresses)} {vendor} GPU{plural} on the PCI bus: {', '.join(addresses)}.")


def _passed_through(gpus: Sequence[PciGpu]) -> Iterator[Finding]:
    for gpu in gpus:
        if gpu.is_passed_through:
            yield Finding("note", f"The {gpu.vendor} GPU {gpu.pci_bus_id} is kept for a virtual machine (driver {gpu.driver}): "
                                  "only that machine can read it.",
                          f"Run gpumon in the virtual machine too. To use the GPU here: `sudo driverctl unset-override "
                          f"{gpu.pci_bus_id}`, or remove it from the vfio-pci options, and reboot.")  # fmt: skip


def _nvidia_driver(root: Path, gpus: Sequence[PciGpu], modules: set[str], tegra: str | None) -> Iterator[Finding]:
    """Which driver there is for NVIDIA's GPUs, and what is in its way."""
    of_nvidia = [gpu for gpu in gpus if gpu.vendor == "NVIDIA" and not gpu.is_passed_through]
    is_open = [name for name in _OPEN_DRIVERS if name in modules]
    built_in = [gpu.driver for gpu in of_nvidia if gpu.has_open_driver and not is_open]
    for name in is_open or built_in[:1]:
        yield Finding("bad", f"The kernel driver {name} is loaded for the NVIDIA GPU; it has no interface for readings.",
                      "Install NVIDIA's driver, which blacklists nouveau, and reboot." if name in modules and name == "nouveau"
                      else f"Install NVIDIA's driver, add `modprobe.blacklist={name}` to the kernel's command line, and reboot."
                      if name in modules
                      else "It is built into the kernel: use one with it as a module, and install NVIDIA's driver.")  # fmt: skip
    version = _read(root / "proc/driver/nvidia/version").split("\n", 1)[0]
    if version:
        yield Finding("good", f"The kernel module is loaded: {version.removeprefix('NVRM version: ')}.")
        for gpu in of_nvidia:
            if gpu.driver is None:
                yield Finding("bad", f"The NVIDIA kernel module does not drive the GPU {gpu.pci_bus_id}.",
                              "See `dmesg | grep -i nvrm`: the GPU may be too old for this driver, or for its open kernel "
                              "modules, or need power.")  # fmt: skip
    elif tegra is not None and "nvgpu" in modules:
        yield Finding(
            "good", "The kernel module nvgpu is loaded. NVML, in JetPack 6 and newer, reports few values of it."
        )
    elif tegra is not None:
        yield Finding("bad", "The kernel module of the integrated GPU (nvgpu) is not loaded.",
                      "Use the kernel of JetPack, or load it with `sudo modprobe nvgpu`.")  # fmt: skip
    elif of_nvidia and not (is_open or built_in):  # those prevent loading it
        yield Finding("bad", "The NVIDIA kernel module is not loaded.",
                      "Install the NVIDIA driver, or load it with `sudo modprobe nvidia`.")  # fmt: skip


def _other_drivers(gpus: Sequence[PciGpu]) -> Iterator[Finding]:
    for gpu in gpus:
        if gpu.vendor in _DRIVERS and gpu.driver is None:
            yield Finding("note", f"No kernel driver is bound to the {gpu.vendor} GPU {gpu.pci_bus_id}, so nvtop cannot read it.",
                          f"Load its driver ({_DRIVERS[gpu.vendor]}), and see `dmesg`.")  # fmt: skip


def notices_of(findings: Iterable[Finding]) -> tuple[Notice, ...]:
    """What is wrong with this host, for the page of a host without GPU readings."""
    return tuple(Notice(code="host", text=each.text, fix=each.fix) for each in findings if each.level == "bad")
