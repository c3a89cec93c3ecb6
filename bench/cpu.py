"""CPU time of other processes, to the nanosecond: /proc/PID/stat counts in ticks of 10 ms, too coarse for one percent."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

from bench.figures import CouldNotMeasure

_ALL_THREADS_SCHEDULED = 2
"""CPUCLOCK_SCHED, see clock_getcpuclockid(3): the process' clock is the complement of its PID above these bits."""


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process since it started, including ended threads."""
    try:
        return time.clock_gettime(~pid << 3 | _ALL_THREADS_SCHEDULED)
    except OSError as error:
        raise CouldNotMeasure(f"process {pid} has ended while it was measured") from error


def with_children(pid: int) -> list[int]:
    """The process and all its running descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


class Stopwatch:
    """CPU time that processes have used since the stopwatch was made."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._began = {pid: cpu_seconds(pid) for pid in pids}
        self._wall = time.monotonic()

    @property
    def cpu(self) -> float:
        """Total seconds of CPU."""
        return sum(cpu_seconds(pid) - began for pid, began in self._began.items())

    def cpu_of(self, pid: int) -> float:
        """Seconds of CPU of one of the processes."""
        return cpu_seconds(pid) - self._began[pid]

    @property
    def wall(self) -> float:
        """Seconds of wall time."""
        return time.monotonic() - self._wall
