"""A host in a folder: the part of /proc, /sys and /dev that the telemetry reads, for tests to change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
BOOTED_AT = 1_700_000_000
INITIAL_NAMESPACE = "pid:[4026531836]"
NOBODY = 65534


class FakeHost:
    """Files under `root`: at first only the boot time and the initial PID namespace; tests add the rest."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/stat", f"cpu  1 2 3 4 5 6 7 8 9 10\nbtime {BOOTED_AT}\nprocesses 99\n")
        self.pid_namespace(INITIAL_NAMESPACE)

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file, and create its folders."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def link(self, path: str, target: str) -> None:
        """Create a symbolic link, whose target need not exist, as for those of /proc here."""
        link = self.root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def pid_namespace(self, name: str) -> None:
        """Set the PID namespace of this program."""
        self.link("proc/self/ns/pid", name)

    def process(
        self,
        pid: int,
        comm: str | bytes = "python3",
        command: Sequence[str | bytes] = ("python3", "train.py"),
        *,
        started_at: float = BOOTED_AT + 100.0,
        cpu_seconds: float = 0.0,
        resident_pages: int = 0,
        state: str = "S",
        threads: int = 1,
        cgroup: str = "0::/user.slice\n",
    ) -> None:
        """Add a process as proc(5) describes it."""
        name = comm.encode() if isinstance(comm, str) else comm
        start = round((started_at - BOOTED_AT) * TICKS)
        # pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime …
        before = f"{state} 1 {pid} {pid} 0 -1 4194304 0 0 0 0"
        after = f"0 0 20 0 {threads} 0 {start} 1000000 {resident_pages} 18446744073709551615 1 1 0"
        fields = f"{before} {round(cpu_seconds * TICKS)} 0 {after}"
        self.write(f"proc/{pid}/stat", f"{pid} (".encode() + name + f") {fields}\n".encode())
        words = [word.encode() if isinstance(word, str) else word for word in command]
        self.write(f"proc/{pid}/cmdline", b"".join(word + b"\0" for word in words))
        self.write(f"proc/{pid}/cgroup", cgroup)

    def end(self, pid: int) -> None:
        """Remove a process. As in the kernel, a program that has its files open reads nothing more of it."""
        self.write(f"proc/{pid}/stat", "")
        shutil.rmtree(self.root / f"proc/{pid}")

    def gpu(self, pci: str, *, status: str = "active", control: str = "auto", driver: str | None = "nvidia") -> None:
        """Add an NVIDIA display controller on the PCI bus, with the kernel's power management for it."""
        folder = f"sys/bus/pci/devices/{pci}"
        self.write(f"{folder}/vendor", "0x10de\n")
        self.write(f"{folder}/device", "0x2684\n")
        self.write(f"{folder}/class", "0x030000\n")
        self.write(f"{folder}/power/control", f"{control}\n")
        self.power(pci, status)
        if driver is not None:
            self.link(f"{folder}/driver", f"../../../bus/pci/drivers/{driver}")

    def power(self, pci: str, status: str) -> None:
        """Set the kernel's power state of the device."""
        self.write(f"sys/bus/pci/devices/{pci}/power/runtime_status", f"{status}\n")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root privileges for the block, so that unreadable files are really unreadable."""
    if os.getuid() != 0:
        yield
        return
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
