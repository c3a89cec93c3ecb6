"""The processes of one GPU: NVML's three lists merged by PID, with each one's share of the engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pynvml as nvml

from monitor.telemetry.providers.base import PROCESS_METRICS
from monitor.telemetry.providers.nvml.calls import Handle
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, NO_ERROR, PERMANENT, code_of, field_reason
from monitor.telemetry.schema import GpuProcess, ProcessType

NO_MIG = 0xFFFFFFFF
_INVALID_PIDS = {0, 0xFFFFFFFF}
"""What a scrambled list holds (the struct's layout changed with driver 535): no process has them."""
_HOLD_SECONDS = 0.9
"""A sample is good so long: the driver samples every 1/6 to 1 s, so asking faster finds nothing new in between."""
_FIRST_WINDOW_SECONDS = 1.0
"""A first look asks for the last second: 0 would mean the driver's whole buffer, a mean that lags."""

_LISTS: tuple[tuple[ProcessType, Callable[..., Any], Callable[..., Any]], ...] = (
    ("compute", nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetComputeRunningProcesses_v2),
    ("graphics", nvml.nvmlDeviceGetGraphicsRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses_v2),
    ("mps", nvml.nvmlDeviceGetMPSComputeRunningProcesses, nvml.nvmlDeviceGetMPSComputeRunningProcesses_v2),
)


class Sample(NamedTuple):
    """One process' share of the engines in the driver's last window, percent; None where the answer was nonsense."""

    sm: float | None
    memory: float | None
    encoder: float | None
    decoder: float | None
    seen_at: float


_IDLE = Sample(0, 0, 0, 0, 0.0)


def _share(percent: int) -> int | None:
    """A share the driver answers; above 100 it is nonsense (seen by users of nvtop) and no value."""
    return percent if percent <= 100 else None


class Processes:
    """Asks one GPU for its processes. Lists and samples that it does not support are not asked again."""

    def __init__(self) -> None:
        self._lists: list[tuple[ProcessType, Callable[..., Any], Callable[..., Any] | None]] = list(_LISTS)
        self._samples: dict[int, Sample] = {}
        self._last_stamp: int | None = None
        self._samples_reason: str | None = None
        self._samples_ended = False

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
        return tuple(self._row(pid, types, entry, mig_instances) for pid, (types, entry) in rows.items())

    def _listed(self, handle: Handle) -> dict[int, tuple[list[ProcessType], Any]]:
        rows: dict[int, tuple[list[ProcessType], Any]] = {}
        answered = False
        failure: BaseException | None = None
        for entry in tuple(self._lists):
            kind, ask, ask_older = entry
            try:
                found = ask(handle)
            except FIELD_ERRORS as error:
                if code_of(error) in PERMANENT:
                    self._lists[self._lists.index(entry)] = (kind, ask_older, None) if ask_older else entry
                    if ask_older is None:
                        self._lists.remove(entry)
                failure = error
                continue
            answered = True
            for process in found:
                if process.pid in _INVALID_PIDS:
                    continue
                if (known := rows.get(process.pid)) is None:
                    rows[process.pid] = ([kind], process)
                else:  # a process that computes and draws is in both lists, with the same memory
                    known[0].append(kind)
        if not answered and failure is not None:
            raise failure
        return rows

    def _sample(self, handle: Handle, now: float, at: float) -> None:
        """Bring the samples up to date: keep those of the last moment, add the new ones."""
        if self._samples_ended:
            return
        since = self._last_stamp if self._last_stamp is not None else int((now - _FIRST_WINDOW_SECONDS) * 1e6)
        try:
            fresh = nvml.nvmlDeviceGetProcessUtilization(handle, since)
        except FIELD_ERRORS as error:
            code = code_of(error)
            fresh = ()
            if code == nvml.NVML_ERROR_INSUFFICIENT_SIZE:
                # Between pynvml's two calls a process was added; the next tick asks for the same window again.
                return
            if code in (nvml.NVML_ERROR_NOT_FOUND, NO_ERROR):
                self._samples_reason = None  # idle: nobody did anything since
            else:
                self._samples_reason = field_reason(error)
                self._samples_ended = code in PERMANENT
        else:
            self._samples_reason = None
        self._samples = {pid: sample for pid, sample in self._samples.items() if at - sample.seen_at < _HOLD_SECONDS}
        newest = since
        for sample in fresh:
            if sample.timeStamp <= since or sample.pid in _INVALID_PIDS:
                continue
            newest = max(newest, sample.timeStamp)
            self._samples[sample.pid] = Sample(
                _share(sample.smUtil), _share(sample.memUtil), _share(sample.encUtil), _share(sample.decUtil), at
            )
        if newest > since:
            self._last_stamp = newest

    def _row(
        self, pid: int, types: list[ProcessType], entry: Any, mig_instances: Mapping[tuple[int, int], int]
    ) -> GpuProcess:
        instance = None
        if mig_instances and getattr(entry, "gpuInstanceId", NO_MIG) != NO_MIG:
            instance = mig_instances.get((entry.gpuInstanceId, entry.computeInstanceId))
        memory = entry.usedGpuMemory
        if self._samples_reason is None:
            sample = self._samples.get(pid, _IDLE)  # the call was answered: no entry means idle
            sm, memory_share, encoder, decoder = sample.sm, sample.memory, sample.encoder, sample.decoder
        else:
            sm = memory_share = encoder = decoder = None
        if (
            memory is not None
            and sm is not None
            and memory_share is not None
            and encoder is not None
            and decoder is not None
        ):
            reasons: dict[str, str] = {}
        else:
            given = (memory, sm, memory_share, encoder, decoder)
            why = self._samples_reason or "the driver answered a share above 100 %"
            reasons = {name: why for name, value in zip(PROCESS_METRICS, given, strict=True) if value is None}
            if memory is None:
                reasons["memory_used_bytes"] = "not available from this driver (WSL, WDDM, MIG without privileges)"
        return GpuProcess(
            pid=pid,
            types=tuple(types),
            mig_instance=instance,
            memory_used_bytes=memory,
            sm_utilization_percent=sm,
            memory_utilization_percent=memory_share,
            encoder_utilization_percent=encoder,
            decoder_utilization_percent=decoder,
            unavailable=reasons,
        )
