"""What the files of this host say about its GPUs and drivers. The driver itself is not called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from monitor.telemetry.host.container_limits import is_container

Level = Literal["good", "note", "bad"]


class Finding(NamedTuple):
    """One thing checked, what it means, and how to fix it."""

    level: Level
    text: str
    fix: str | None = None


_DISPLAY_CLASS = "0x03"
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}


def pci_gpus(root: Path) -> dict[str, list[str]]:
    """PCI addresses of display controllers by vendor, from sysfs."""
    found: dict[str, list[str]] = {}
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            vendor = (device / "vendor").read_text().strip()
            kind = (device / "class").read_text().strip()
        except OSError:
            continue  # the device disappeared meanwhile
        if kind.startswith(_DISPLAY_CLASS) and vendor in _VENDORS:
            found.setdefault(_VENDORS[vendor], []).append(device.name)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def is_wsl(root: Path) -> bool:
    """Windows Subsystem for Linux, by the name of its kernel."""
    return "microsoft" in _read(root / "proc/version").lower()


def examine(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Everything that can be found out about GPUs and drivers without calling a driver."""
    findings = []
    gpus = pci_gpus(root)
    modules = {line.split(" ", 1)[0] for line in _read(root / "proc/modules").splitlines()}
    devices = sorted(path.name for path in (root / "dev").glob("nvidia[0-9]*"))
    container, wsl = is_container(root, environment), is_wsl(root)
    for vendor, addresses in gpus.items():
        plural = "s" if len(addresses) > 1 else ""
        findings.append(
            Finding("good", f"{len(addresses)} {vendor} GPU{plural} on the PCI bus: {', '.join(addresses)}.")
        )
    if not gpus and not wsl:
        findings.append(Finding("note", "No GPU on the PCI bus that this system sees.",
                                "In a virtual machine, pass the GPU through to it."))  # fmt: skip
    if wsl:
        is_shared = (root / "usr/lib/wsl/lib/libnvidia-ml.so.1").exists()
        findings.append(
            Finding("note", "WSL: the driver is the one of Windows; processes, fans and some other readings do not exist here.")
            if is_shared
            else Finding("bad", "WSL, but Windows does not share an NVIDIA driver with it.",
                         "Install the NVIDIA driver in Windows (not in WSL) and run `wsl --update`.")
        )  # fmt: skip
    if "nouveau" in modules:
        findings.append(Finding("bad", "The kernel module nouveau is loaded for the NVIDIA GPU; it has no interface for readings.",
                                "Install NVIDIA's driver, which blacklists nouveau, and reboot."))  # fmt: skip
    version = _read(root / "proc/driver/nvidia/version").split("\n", 1)[0]
    if version:
        findings.append(Finding("good", f"The kernel module is loaded: {version.removeprefix('NVRM version: ')}."))
    elif "NVIDIA" in gpus and not wsl and "nouveau" not in modules:  # nouveau prevents loading it
        findings.append(Finding("bad", "The NVIDIA kernel module is not loaded.",
                                "Install the NVIDIA driver, or load it with `sudo modprobe nvidia`."))  # fmt: skip
    if container and not devices and not wsl:
        findings.append(Finding("bad", "This is a container without GPU devices (`/dev/nvidia0` is missing).",
                                "Start it with `--gpus all` (NVIDIA container toolkit on the host)."))  # fmt: skip
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
