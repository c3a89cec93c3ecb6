"""Each process's share of a GPU's engines, from the driver's utilization samples.

A driver lists no sample for an idle process, and some list none at all: nvmlDeviceGetProcessUtilization is empty on some
drivers for Blackwell, and stamps of some drivers count from the start of the system, not from 1970. While the GPU is busy
and there is no sample, the other call and the other clock are tried in turn, and the shares are unknown, not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import c_ulonglong
from typing import NamedTuple

import pynvml as nvml

from monitor.telemetry.providers.nvml.ctypes_calls import (
    PROCESS_UTILIZATION_SAMPLE,
    Handle,
    Listing,
    ProcessesUtilization,
)
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, PERMANENT, code_of, field_reason

NO_SHARES = "the driver reports no shares of processes, although the GPU is busy"

INVALID_PIDS = {0, 0xFFFFFFFF}
"""In scrambled lists (the struct's layout changed with driver 535); no process has them."""
_HOLD_SECONDS = 0.9
"""How long a sample is used: the driver samples every 1/6 to 1 s, so faster reads find nothing new in between."""
_WINDOW_SECONDS = 1.0
"""The first read covers the last second: 0 would mean the driver's whole buffer, a mean that lags."""
_SILENCE_SECONDS = 1.5
"""A driver that gives samples gives one in this time while the GPU is busy."""

Share = tuple[int | None, ...]
"""SM, memory, encoder and decoder in the driver's last window, percent."""
IDLE: Share = (0, 0, 0, 0)
UNKNOWN: Share = (None, None, None, None)


Ask = Callable[[Handle, int], Sequence[tuple[int, ...]]]
"""A call for the samples newer than a time stamp (µs): pid, stamp, SM, memory, encoder, decoder."""


class _Way(NamedTuple):
    """One way to ask: a call, and the clock of its time stamps."""

    ask: Ask
    is_wall_clock: bool


def driver_calls() -> tuple[Ask, ...]:
    """The driver's calls, the one that more drivers have first."""
    older = Listing(
        "nvmlDeviceGetProcessUtilization",
        PROCESS_UTILIZATION_SAMPLE,
        array_first=True,
        empty=nvml.NVML_ERROR_NOT_FOUND,  # no process has used the GPU since
    )
    return (lambda handle, since: older(handle, c_ulonglong(since)), ProcessesUtilization())


class ProcessShares:
    """Reads the samples of one GPU."""

    def __init__(self, calls: tuple[Ask, ...] | None = None) -> None:
        self._calls = driver_calls() if calls is None else calls
        self._samples: dict[int, tuple[Share, float]] = {}
        self._has_given = False
        self._silent_since: float | None = None
        self.reason: str | None = None
        """Why the shares are unknown; None while they are known."""
        self._last_stamp: int | None = None
        self.retry()

    def retry(self) -> None:
        """Ask in every way again."""
        self._ways = [_Way(ask, is_wall_clock) for ask in self._calls for is_wall_clock in (True, False)]
        self.refused_count = 0

    def forget_stamps(self) -> None:
        """The wall clock was set, so earlier stamps can be in the future."""
        self._last_stamp = None

    def clear(self) -> None:
        """Forget the samples: no process is on the GPU."""
        self._samples.clear()
        self._silent_since = None

    def read(self, handle: Handle, now: float, at: float, utilization_percent: float | None) -> None:
        """Read the new samples. `now` is Unix time, `at` monotonic; `utilization_percent` is the GPU's."""
        if self._samples:
            self._samples = {pid: kept for pid, kept in self._samples.items() if at - kept[1] < _HOLD_SECONDS}
        while self._ways:
            way = self._ways[0]
            try:
                since = self._since(way, now, at)
                self._add(way.ask(handle, since), since, at)
            except FIELD_ERRORS as error:
                self.reason = field_reason(error)
                if code_of(error) not in PERMANENT:
                    return
                self._ways = [other for other in self._ways if other.ask is not way.ask]
                self.refused_count += 1
            else:
                self._judge(at, is_busy=utilization_percent != 0)
                return

    def of(self, pid: int) -> Share:
        """The share of one process, all None if `reason` says why."""
        if self.reason is not None:
            return UNKNOWN
        kept = self._samples.get(pid)
        return IDLE if kept is None else kept[0]

    def _since(self, way: _Way, now: float, at: float) -> int:
        if self._last_stamp is not None:
            return self._last_stamp
        return max(0, int(((now if way.is_wall_clock else at) - _WINDOW_SECONDS) * 1e6))

    def _add(self, fresh: Sequence[tuple[int, ...]], since: int, at: float) -> None:
        last = self._last_stamp or 0
        for record in fresh:
            pid, stamp = record[0], record[1]
            if stamp <= since or pid in INVALID_PIDS:
                continue
            if stamp > last:
                self._last_stamp = last = stamp
            shares: tuple[int | None, ...] = record[2:]
            if max(record[2:]) > 100:  # garbage, seen by users of nvtop
                shares = tuple(share if share <= 100 else None for share in record[2:])
            self._samples[pid] = (shares, at)

    def _judge(self, at: float, *, is_busy: bool) -> None:
        """Decide whether a process without a sample is idle or its share unknown."""
        self.reason = None
        if self._samples or not is_busy:
            self._has_given |= bool(self._samples)
            self._silent_since = None
            return
        if self._silent_since is None:
            self._silent_since = at
        is_silent = at - self._silent_since >= _SILENCE_SECONDS
        if is_silent or not self._has_given:
            self.reason = NO_SHARES
        if is_silent:
            self._silent_since = at
            self._has_given = False
            self._ways.append(self._ways.pop(0))
            self._last_stamp = None
