"""The processes of one GPU: NVML's three lists merged by PID, with each process's share of the engines."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import c_ulonglong

import pynvml as nvml

from monitor.telemetry.providers.base import PROCESS_METRICS
from monitor.telemetry.providers.nvml.ctypes_calls import PROCESS_INFO, PROCESS_UTILIZATION_SAMPLE, Handle, Listing
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, PERMANENT, code_of, field_reason
from monitor.telemetry.schema import GpuProcess, ProcessType

_INVALID_PIDS = {0, 0xFFFFFFFF}
"""In scrambled lists (the struct's layout changed with driver 535); no process has them."""
_HOLD_SECONDS = 0.9
"""How long a sample is used: the driver samples every 1/6 to 1 s, so faster reads find nothing new in between."""
_FIRST_WINDOW_SECONDS = 1.0
"""The first read covers the last second: 0 would mean the driver's whole buffer, a mean that lags."""

_NO_MEMORY_FIGURE = 0xFFFFFFFFFFFFFFFF
"""usedGpuMemory without a value: NVML_VALUE_NOT_AVAILABLE."""

_LISTS: tuple[tuple[ProcessType, str], ...] = (
    ("compute", "nvmlDeviceGetComputeRunningProcesses"),
    ("graphics", "nvmlDeviceGetGraphicsRunningProcesses"),
    ("mps", "nvmlDeviceGetMPSComputeRunningProcesses"),
)
_VERSIONS = ("_v3", "_v2")
"""Newest first; v3 came with R510, both have the same record."""


Entry = tuple[int, ...]
"""A PROCESS_INFO record."""
Sample = tuple[int | None, int | None, int | None, int | None, float]
"""SM, memory, encoder and decoder in the driver's last window, percent, and when it was read (monotonic)."""
_IDLE: Sample = (0, 0, 0, 0, 0.0)
_NOTHING: dict[str, str] = {}


def _share(percent: int) -> int | None:
    """A share from the driver; above 100 it is garbage (seen by users of nvtop), so unknown."""
    return percent if percent <= 100 else None


class Processes:
    """Reads the processes of one GPU. Lists and samples that it does not support are not requested again."""

    def __init__(self) -> None:
        self._lists = {kind: [Listing(name + version, PROCESS_INFO) for version in _VERSIONS] for kind, name in _LISTS}
        self._ask_samples: Listing | None = Listing(
            "nvmlDeviceGetProcessUtilization",
            PROCESS_UTILIZATION_SAMPLE,
            array_first=True,
            empty=nvml.NVML_ERROR_NOT_FOUND,  # idle: no process has used the GPU since
        )
        self._samples: dict[int, Sample] = {}
        self._last_stamp: int | None = None
        self._samples_reason: str | None = None

    def read(
        self, handle: Handle, now: float, at: float, mig_instances: Mapping[tuple[int, int], int]
    ) -> tuple[GpuProcess, ...]:
        """Every process once. `now` is Unix time, `at` monotonic; `mig_instances` maps instance ids to an index.

        Raises NVMLError when no list could be read.
        """
        rows = self._listed(handle)
        if rows:
            self._sample(handle, now, at)
        elif self._samples:
            self._samples.clear()
        return tuple([self._row(types, entry, mig_instances) for types, entry in rows.values()])

    def _listed(self, handle: Handle) -> dict[int, tuple[tuple[ProcessType, ...], Entry]]:
        rows: dict[int, tuple[tuple[ProcessType, ...], Entry]] = {}
        has_answered = False
        failure: Exception | None = None
        for kind, versions in self._lists.items():
            while versions:
                try:
                    found = versions[0](handle)
                except FIELD_ERRORS as error:
                    failure = error
                    if code_of(error) not in PERMANENT:
                        break
                    versions.pop(0)  # the next older version of the call, if there is one
                    continue
                has_answered = True
                for entry in found:
                    pid = entry[0]
                    if pid in _INVALID_PIDS:
                        continue
                    if pid in rows:  # a process that computes and draws is in both lists, with the same memory
                        rows[pid] = ((*rows[pid][0], kind), rows[pid][1])
                    else:
                        rows[pid] = ((kind,), entry)
                break
        if failure is not None and not has_answered:
            raise failure
        return rows

    def _sample(self, handle: Handle, now: float, at: float) -> None:
        """Drop old samples and add the new ones."""
        if self._ask_samples is None:
            return
        since = self._last_stamp if self._last_stamp is not None else int((now - _FIRST_WINDOW_SECONDS) * 1e6)
        fresh: list[tuple[int, ...]] = []
        try:
            fresh = self._ask_samples(handle, c_ulonglong(since))
            self._samples_reason = None
        except FIELD_ERRORS as error:
            self._samples_reason = field_reason(error)
            if code_of(error) in PERMANENT:
                self._ask_samples = None
        if self._samples:
            self._samples = {pid: kept for pid, kept in self._samples.items() if at - kept[4] < _HOLD_SECONDS}
        for pid, stamp, sm, memory, encoder, decoder in fresh:
            if stamp <= since or pid in _INVALID_PIDS:
                continue
            self._last_stamp = max(self._last_stamp or 0, stamp)
            self._samples[pid] = (_share(sm), _share(memory), _share(encoder), _share(decoder), at)

    def _row(
        self, types: tuple[ProcessType, ...], entry: Entry, mig_instances: Mapping[tuple[int, int], int]
    ) -> GpuProcess:
        pid, memory_bytes, gpu_instance, compute_instance = entry
        memory_used = None if memory_bytes == _NO_MEMORY_FIGURE else memory_bytes
        if self._samples_reason is None:
            sm, memory, encoder, decoder, _ = self._samples.get(pid, _IDLE)  # a process without a sample is idle
        else:
            sm = memory = encoder = decoder = None
        given = (memory_used, sm, memory, encoder, decoder)
        return GpuProcess(
            pid=pid,
            types=types,
            mig_instance=mig_instances.get((gpu_instance, compute_instance)) if mig_instances else None,
            memory_used_bytes=memory_used,
            sm_utilization_percent=sm,
            memory_utilization_percent=memory,
            encoder_utilization_percent=encoder,
            decoder_utilization_percent=decoder,
            unavailable=self._reasons(given) if None in given else _NOTHING,
        )

    def _reasons(self, given: tuple[int | None, ...]) -> dict[str, str]:
        why = self._samples_reason or "the driver returned a share above 100 %"
        reasons = {metric: why for metric, value in zip(PROCESS_METRICS, given, strict=True) if value is None}
        if given[0] is None:
            reasons["memory_used_bytes"] = "not available from this driver (WSL, WDDM, MIG without privileges)"
        return reasons
