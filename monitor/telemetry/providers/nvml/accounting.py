"""Processes that have ended, by NVML's accounting mode, which alone knows those that are shorter than a reading.

Read on the slow cadence. The mode is never changed: turning it on needs root.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle, Listing, Record
from monitor.telemetry.providers.nvml.errors import code_of
from monitor.telemetry.schema import EndedProcess

METRICS = ("ended_processes",)
IS_OFF = "accounting mode is off (root turns it on with `nvidia-smi -am 1`)"
KEPT_SECONDS = 120.0
"""How long each process is listed, so that no receiver of the readings misses it."""
MOST_STATS = 16
"""Processes that are asked for at a time, a call each; the others are the next time."""
_PID = struct.Struct("=I")
_STATS = struct.Struct("=IIQQQI20x")
"""nvmlAccountingStats_t: gpuUtilization, memoryUtilization, maxMemoryUsage, time (ms), startTime (µs), isRunning. pynvml's own call
raises TypeError where maxMemoryUsage is not available."""
_LARGEST_MEMORY = 1 << 63
_EARLIEST = 1e9
"""Unix time of 2001. An earlier start is on another clock, or garbage."""
_AHEAD_SECONDS = 60.0


class Accounting:
    """What one GPU's driver remembers. Processes that had ended before the first reading are not asked for."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._pids = Listing("nvmlDeviceGetAccountingPids", _PID)
        self._stats = Record("nvmlDeviceGetAccountingStats", _STATS)
        self._settled: set[int] | None = None
        """PIDs of those that have ended, and of all at the first reading; None while the mode is off."""
        self._ended: list[tuple[float, EndedProcess]] = []
        """With the monotonic time at which they were learned of."""

    def fill(self, handle: Handle, values: Values, *, now: float, at: float, running: Collection[int]) -> None:
        """Fill METRICS. `now` is Unix time, `at` monotonic; `running`: the PIDs on the GPU. Raises NVMLError."""
        values["ended_processes"], self.reasons = None, {"ended_processes": IS_OFF}
        if not nvml.nvmlDeviceGetAccountingMode(handle):
            self._settled = None
            self._ended.clear()
            return
        pids = [pid for (pid,) in self._pids(handle)]
        if self._settled is None:
            self._settled = set(pids)
        self._settled.intersection_update(pids)
        unsettled = [pid for pid in pids if pid not in self._settled and pid not in running]
        for pid in unsettled[:MOST_STATS]:
            self._settle(handle, pid, self._settled, now, at)
        self._ended = [(since, ended) for since, ended in self._ended if at - since < KEPT_SECONDS]
        values["ended_processes"] = tuple([ended for _, ended in self._ended])

    def _settle(self, handle: Handle, pid: int, settled: set[int], now: float, at: float) -> None:
        try:
            utilization, _, memory, milliseconds, start, is_running = self._stats(handle, pid)
        except nvml.NVMLError as error:
            if code_of(error) != nvml.NVML_ERROR_NOT_FOUND:  # the driver's buffer has moved on
                raise
            settled.add(pid)
            return
        if is_running:
            return
        settled.add(pid)
        started_at = start / 1e6
        ended = EndedProcess(
            pid=pid,
            started_at=started_at if _EARLIEST < started_at < now + _AHEAD_SECONDS else None,
            seconds=milliseconds / 1000,
            memory_peak_bytes=memory if memory < _LARGEST_MEMORY else None,
            utilization_percent=utilization if utilization <= 100 else None,
        )
        self._ended.append((at, ended))
