"""Files of /proc and /sys that are read at every reading. They stay open: to open one costs the kernel as much as to read it."""

from __future__ import annotations

import os
from collections.abc import Set

_STAT_BYTES = 4096
"""Far above 52 numbers and a name of at most 64 bytes."""
MOST_OPEN = 256
"""Processes whose file stays open: a process can often open no more than 1024."""


class KernelFile:
    """A file with new content for each `read`. The end of this object closes it."""

    def __init__(self, path: str, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._file: int | None = None

    def read(self) -> bytes:
        """The content now. Raises OSError; the next call then opens the file again."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)
        try:
            return os.pread(self._file, self._most_bytes, 0)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Until the next `read`."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    __del__ = close


class ProcessStats:
    """/proc/PID/stat of the processes on the GPUs."""

    def __init__(self, proc: str, *, most_open: int = MOST_OPEN) -> None:
        self._proc = proc
        self._most_open = most_open
        self._files: dict[int, KernelFile] = {}

    def read(self, pid: int) -> bytes:
        """What the kernel says of the process that has this PID now. Raises OSError.

        An open file belongs to its process, also when the PID is used again: after the end of the process, it has no content.
        """
        known = self._files.get(pid)
        if known is not None:
            try:
                return _line(known, pid)
            except ProcessLookupError:
                del self._files[pid]
        file = KernelFile(f"{self._proc}/{pid}/stat", _STAT_BYTES)
        line = _line(file, pid)
        if len(self._files) < self._most_open:
            self._files[pid] = file
        return line

    def keep_only(self, pids: Set[int]) -> None:
        """Close the files of the other processes."""
        if not self._files.keys() <= pids:
            self._files = {pid: file for pid, file in self._files.items() if pid in pids}


def _line(file: KernelFile, pid: int) -> bytes:
    line = file.read()
    if not line:
        raise ProcessLookupError(f"process {pid} has ended")
    return line
