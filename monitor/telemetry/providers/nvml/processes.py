"""The processes of one GPU: NVML's three lists merged by PID, with each process's share of the engines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pynvml as nvml

from monitor.telemetry.providers.base import PROCESS_METRICS
from monitor.telemetry.providers.nvml.ctypes_calls import PROCESS_INFO, Handle, Listing
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, PERMANENT, code_of
from monitor.telemetry.providers.nvml.process_shares import INVALID_PIDS, ProcessShares
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import GpuProcess, ProcessType

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
Rows = dict[int, tuple[tuple[ProcessType, ...], Entry]]
_NOTHING: dict[str, str] = {}


class Processes:
    """Reads the processes of one GPU. Lists that the driver refuses are not requested again before `retry`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._every_version = {
            kind: [Listing(name + version, PROCESS_INFO) for version in _VERSIONS] for kind, name in _LISTS
        }
        self._needed: set[ProcessType] = {"compute"}
        """Without these lists, the processes are unknown: they hold most of them, or have been read before."""
        self._shares = ProcessShares()
        self.pids: Collection[int] = ()
        """Of the last reading."""
        self.retry()

    def retry(self) -> None:
        """Request everything again."""
        self._refused_lists = 0
        self._lists = {kind: list(versions) for kind, versions in self._every_version.items()}
        self._shares.retry()

    def clock_was_set(self) -> None:
        """The wall clock has jumped."""
        self._shares.forget_stamps()

    @property
    def refused_count(self) -> int:
        """How many calls the driver has refused."""
        return self._refused_lists + self._shares.refused_count

    def read(
        self,
        handle: Handle,
        now: float,
        at: float,
        mig_instances: Mapping[tuple[int, int], int],
        gpu: Mapping[str, Any],
    ) -> tuple[GpuProcess, ...]:
        """Every process once. `now` is Unix time, `at` monotonic; `mig_instances` maps instance ids to an index.

        `gpu` are the GPU's values at this tick: its utilization and memory. Raises NVMLError when a list could not be read.
        """
        rows = self._listed(handle)
        self.pids = rows.keys()
        if rows:
            self._shares.read(handle, now, at, gpu["utilization_percent"])
        else:
            self._shares.clear()
        return tuple(
            [self._row(types, entry, mig_instances, gpu["memory_total_bytes"]) for types, entry in rows.values()]
        )

    def _listed(self, handle: Handle) -> Rows:
        rows: Rows = {}
        for kind, versions in self._lists.items():
            for entry in self._list(handle, kind, versions):
                pid = entry[0]
                if pid in INVALID_PIDS:
                    continue
                if pid in rows:  # a process that computes and draws is in both lists, with the same memory
                    rows[pid] = ((*rows[pid][0], kind), rows[pid][1])
                else:
                    rows[pid] = ((kind,), entry)
        return rows

    def _list(self, handle: Handle, kind: ProcessType, versions: list[Listing]) -> list[Entry]:
        """One list, by the newest version of its call that the driver has; empty if it lacks a list that is not needed."""
        while versions:
            try:
                found = versions[0](handle)
            except FIELD_ERRORS as error:
                if code_of(error) not in PERMANENT:
                    raise
                versions.pop(0)
                self._refused_lists += 1
                if not versions and kind in self._needed:
                    raise
            else:
                self._needed.add(kind)
                return found
        if kind in self._needed:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        return []

    def _row(
        self,
        types: tuple[ProcessType, ...],
        entry: Entry,
        mig_instances: Mapping[tuple[int, int], int],
        memory_total_bytes: int | None,
    ) -> GpuProcess:
        pid, memory_bytes, gpu_instance, compute_instance = entry
        memory_used: int | None = memory_bytes
        why_no_memory = ""
        if memory_bytes > (memory_total_bytes or 0):
            memory_used, why_no_memory = self._checked(memory_bytes, memory_total_bytes)
        sm, memory, encoder, decoder = self._shares.of(pid)
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
            unavailable=self._reasons(given, why_no_memory) if None in given else _NOTHING,
        )

    def _checked(self, memory_bytes: int, total_bytes: int | None) -> tuple[int | None, str]:
        """The memory that a process uses, or why it is unknown."""
        if memory_bytes == _NO_MEMORY_FIGURE:
            return None, "not available from this driver (WSL, WDDM, MIG without privileges)"
        values = {"memory_used_bytes": memory_bytes}
        reasons = self._bounds.check(values, total_bytes)
        return values["memory_used_bytes"], reasons.get("memory_used_bytes", "")

    def _reasons(self, given: tuple[int | None, ...], why_no_memory: str) -> dict[str, str]:
        why = self._shares.reason or "the driver returned a share above 100 %"
        reasons = {metric: why for metric, value in zip(PROCESS_METRICS, given, strict=True) if value is None}
        if given[0] is None:
            reasons["memory_used_bytes"] = why_no_memory
        return reasons
