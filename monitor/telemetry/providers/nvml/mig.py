"""The MIG instances of one GPU: found on the slow cadence, their memory read at each tick."""

from __future__ import annotations

import logging
from typing import NamedTuple

import pynvml as nvml

from monitor.telemetry.providers.nvml import calls
from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, code_of, field_reason
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import MigInstance

log = logging.getLogger(__name__)

_MOST_INSTANCES = 64
_MEMORY = ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")


class _Known(NamedTuple):
    handle: Handle
    facts: Values
    reasons: dict[str, str]


class Mig:
    """The instances of a GPU in MIG mode; empty while the mode is off."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._known: list[_Known] = []
        self.by_ids: dict[tuple[int, int], int] = {}
        """(GPU instance id, compute instance id) → index, to place processes."""

    @property
    def handles(self) -> list[Handle]:
        """NVML's handles of the instances, which list their own processes."""
        return [known.handle for known in self._known]

    def find(self, parent: Handle) -> None:
        """List the instances. Those that the driver does not answer about now are kept as they were."""
        before = {known.facts["index"]: known for known in self._known}
        try:
            count = nvml.nvmlDeviceGetMaxMigDeviceCount(parent)
        except FIELD_ERRORS as error:
            log.debug("nvmlDeviceGetMaxMigDeviceCount: %s", error)
            return
        found = []
        for index in range(min(count, _MOST_INSTANCES)):
            try:
                handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, index)
            except FIELD_ERRORS as error:
                # Indexes can have gaps.
                is_gap = code_of(error) in (nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT)
                if not is_gap and index in before:
                    found.append(before[index])
                continue
            found.append(_facts(index, handle))
        self._known = found
        self.by_ids = {
            (known.facts["gpu_instance_id"], known.facts["compute_instance_id"]): known.facts["index"]
            for known in found
        }

    def clear(self) -> None:
        """Forget the instances: MIG mode is off."""
        self._known, self.by_ids = [], {}

    def read(self) -> tuple[MigInstance, ...]:
        """Every instance with its memory now."""
        return tuple(self._read(known) for known in self._known)

    def _read(self, known: _Known) -> MigInstance:
        values, reasons = known.facts | dict.fromkeys(_MEMORY), known.reasons
        try:
            calls.memory_v2(known.handle, values)
        except FIELD_ERRORS as error:
            reasons = {**reasons, **dict.fromkeys(_MEMORY, field_reason(error))}
        reasons = {**reasons, **self._bounds.check(values)}
        return MigInstance(**values, unavailable=reasons)


def _facts(index: int, handle: Handle) -> _Known:
    facts: Values = {"index": index}
    reasons: dict[str, str] = {}
    for fact, ask in (
        ("uuid", nvml.nvmlDeviceGetUUID),
        ("name", nvml.nvmlDeviceGetName),
        ("gpu_instance_id", nvml.nvmlDeviceGetGpuInstanceId),
        ("compute_instance_id", nvml.nvmlDeviceGetComputeInstanceId),
    ):
        try:
            facts[fact] = ask(handle)
        except FIELD_ERRORS as error:
            facts[fact], reasons[fact] = None, field_reason(error)
    # "NVIDIA A100-SXM4-40GB MIG 3g.20gb"
    _, marker, profile = str(facts["name"]).partition(" MIG ")
    facts["profile"] = profile.strip() if marker else None
    if not marker:
        reasons["profile"] = "the instance's name does not contain it"
    return _Known(handle, facts, reasons)
