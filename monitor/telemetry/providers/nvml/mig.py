"""The MIG instances of one GPU: found and their activity sampled on the slow cadence, their memory read at each tick."""

from __future__ import annotations

import logging
from typing import NamedTuple

import pynvml as nvml

from monitor.telemetry.providers.nvml import activity, calls
from monitor.telemetry.providers.nvml.activity import Activity
from monitor.telemetry.providers.nvml.calls import Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, code_of, field_reason
from monitor.telemetry.providers.nvml.rates import NEEDS_TWO_READINGS
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import MigInstance

log = logging.getLogger(__name__)

NO_GPU_INSTANCE = "the driver does not say which GPU instance it belongs to"
_MOST_INSTANCES = 64
_MEMORY = ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")


class _Known(NamedTuple):
    handle: Handle
    facts: Values
    reasons: dict[str, str]


class _GpuInstance(NamedTuple):
    """It has the SMs; its compute instances share them. Another one can get its number: that has another first UUID."""

    id: int
    first_uuid: str | None


class _Measured(NamedTuple):
    """The activity of a GPU instance."""

    values: Values
    reasons: dict[str, str]


def _not_measured(reason: str) -> _Measured:
    return _Measured(dict.fromkeys(activity.METRICS), dict.fromkeys(activity.METRICS, reason))


class Mig:
    """The instances of a GPU in MIG mode; empty while the mode is off."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._known: list[_Known] = []
        self._gpu_instances: set[_GpuInstance] = set()
        self._activities: dict[_GpuInstance, Activity] = {}
        self._measured: dict[int, _Measured] = {}
        """By GPU instance id."""
        self._new = _not_measured(NEEDS_TWO_READINGS)
        """Of instances found since the last measurement."""
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
        self._find_gpu_instances()

    def clear(self) -> None:
        """Forget the instances: MIG mode is off."""
        self._known, self.by_ids = [], {}
        self._find_gpu_instances()

    def measure(self, parent: Handle) -> None:
        """Sample the activity of each GPU instance. Raises NVMLError if none can be sampled, as where the GPU has no GPM."""
        refusals = []
        for instance in self._gpu_instances:
            sampled = self._activities.setdefault(instance, Activity(instance.id))
            values: Values = {}
            try:
                sampled.fill(parent, values)
                reasons = {**sampled.reasons, **self._bounds.check(values)}
            except FIELD_ERRORS as error:
                refusals.append(error)
                reasons = dict.fromkeys(activity.METRICS, field_reason(error))
            self._measured[instance.id] = _Measured(values, reasons)
        self._new = _not_measured(NEEDS_TWO_READINGS)
        if refusals and len(refusals) == len(self._gpu_instances):
            self._new = _not_measured(field_reason(refusals[-1]))
            raise refusals[-1]

    def _find_gpu_instances(self) -> None:
        """Those of the known compute instances; what was measured of others ends."""
        ids = {known.facts["gpu_instance_id"]: known.facts["uuid"] for known in reversed(self._known)}
        self._gpu_instances = {_GpuInstance(number, uuid) for number, uuid in ids.items() if number is not None}
        for instance in self._activities.keys() - self._gpu_instances:
            self._activities.pop(instance).close()
            self._measured.pop(instance.id, None)

    def read(self) -> tuple[MigInstance, ...]:
        """Every instance with its memory now."""
        return tuple(self._read(known) for known in self._known)

    def _read(self, known: _Known) -> MigInstance:
        number = known.facts["gpu_instance_id"]
        measured = _not_measured(NO_GPU_INSTANCE) if number is None else self._measured.get(number, self._new)
        values = known.facts | dict.fromkeys(_MEMORY) | measured.values
        reasons = known.reasons | {name: measured.reasons[name] for name in activity.METRICS if values[name] is None}
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
