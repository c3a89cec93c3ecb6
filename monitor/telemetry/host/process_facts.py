"""What /proc says of a process that the kernel may not answer at once: it waits for the lock of the process's memory map.

A process in uninterruptible sleep can hold that lock for minutes, so a lookup runs in a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from monitor.sanitize import plain
from monitor.telemetry.host.command_secrets import hide_in_arguments
from monitor.telemetry.host.container_ids import Membership, membership

_COMMAND_BYTES = 4096
"""A command line can be megabytes long, and is sent to every viewer."""
_DRIVER_FILES = ("/dev/nvidia", "libcuda.so", "libnvidia")


class ProcessKey(NamedTuple):
    """A PID can be used again: with its start it names one process."""

    pid: int
    start_ticks: int


class Facts(NamedTuple):
    """What could be read: None without permission, or if the process has just ended."""

    command: str | None
    """Empty for a kernel thread and for a process that has ended."""
    contained: Membership | None


def read_facts(proc: str, pid: int) -> Facts:
    """The command line, without secrets, and the cgroup of a process."""
    command: str | None = None
    folder = Path(proc, str(pid))
    try:
        with (folder / "cmdline").open("rb") as file:
            data = file.read(_COMMAND_BYTES + 1)
        arguments = data[:_COMMAND_BYTES].rstrip(b"\0").decode(errors="replace").split("\0")
        command = plain(hide_in_arguments(arguments))
        if len(data) > _COMMAND_BYTES:
            command += "…"
        return Facts(command, membership((folder / "cgroup").read_text("utf-8", errors="replace")))
    except OSError:
        return Facts(command, None)


def holds_driver(proc: str, pid: int) -> bool:
    """Whether the process has the driver open. In a container it is then the process on the GPU, not another of the same PID."""
    folder = Path(proc, str(pid))
    try:
        if any(str(link.readlink()).startswith("/dev/nvidia") for link in (folder / "fd").iterdir()):
            return True
        with (folder / "maps").open(encoding="utf-8", errors="replace") as file:
            return any(mark in line for line in file for mark in _DRIVER_FILES)
    except OSError:
        return False  # no permission: the name stays unknown rather than wrong
