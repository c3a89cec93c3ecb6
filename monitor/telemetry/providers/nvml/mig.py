"""The MIG instances of one GPU: found on the slow cadence, their memory read at each tick."""

from __future__ import annotations

from typing import NamedTuple

import pynvml as nvml

from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, code_of, field_reason
from monitor.telemetry.schema import MigInstance

_MEMORY = ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")


class _Known(NamedTuple):
    handle: Handle
    facts: dict[str, object]
    reasons: dict[str, str]


class Mig:
    """The instances of a GPU in MIG mode; empty while the mode is off."""

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self.by_ids: dict[tuple[int, int], int] = {}
        """(GPU instance id, compute instance id) → index, to place processes."""

    @property
    def handles(self) -> list[Handle]:
        """NVML's handles of the instances, which list their own processes."""
        return [known.handle for known in self._known]

    def find(self, parent: Handle) -> None:
        """List the instances. Raises NVMLError if even their number is unknown."""
        found = []
        for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(parent)):
            try:
                handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, index)
            except FIELD_ERRORS as error:
                if code_of(error) in (nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT):
                    continue  # indexes can have gaps
                raise
            found.append(_facts(index, handle))
        self._known = found
        self.by_ids = {
            (known.facts["gpu_instance_id"], known.facts["compute_instance_id"]): known.facts["index"]  # type: ignore[misc]
            for known in found
        }

    def clear(self) -> None:
        """Forget the instances: MIG mode is off."""
        self._known, self.by_ids = [], {}

    def read(self) -> tuple[MigInstance, ...]:
        """Every instance with its memory now."""
        return tuple(_read(known) for known in self._known)


def _facts(index: int, handle: Handle) -> _Known:
    facts: dict[str, object] = {"index": index}
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


def _read(known: _Known) -> MigInstance:
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(known.handle, version=nvml.nvmlMemory_v2)
    except FIELD_ERRORS as error:
        if code_of(error) == nvml.NVML_ERROR_GPU_IS_LOST:
            raise
        reasons = {**known.reasons, **dict.fromkeys(_MEMORY, field_reason(error))}
        return MigInstance(**known.facts, unavailable=reasons)  # type: ignore[arg-type]
    return MigInstance(
        **known.facts,  # type: ignore[arg-type]
        memory_total_bytes=memory.total,
        memory_used_bytes=max(0, memory.total - memory.free - memory.reserved),
        memory_free_bytes=memory.free,
        memory_reserved_bytes=memory.reserved,
        unavailable=known.reasons,
    )
