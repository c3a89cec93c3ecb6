"""Chooses free GPUs: those that are free by their readings and that CUDA can be told, neighbours first, then the least loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from monitor.telemetry.cuda_devices import has_driver_uuid, is_own_uuid, visible_devices
from monitor.telemetry.free.topology import Place, are_linked, nearness, place_of, share_pcie_switch
from monitor.telemetry.free.wanted import Wanted
from monitor.telemetry.schema import Gpu, GpuUse, Snapshot

_MOST_STARTS = 16
"""Groups are built around this many of the least loaded GPUs, so that a choice among 256 costs little."""
PlaceOf = Callable[[Gpu], Place]


class FreeGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU that is free, or in MIG mode an instance of one."""

    index: int
    uuid: str
    name: str
    device: str
    """Its name in CUDA_VISIBLE_DEVICES: the UUID of the GPU or of the MIG instance, or the index."""
    memory_free_bytes: int | None
    free_seconds: float
    """How long it has been free, at least: the server knows nothing of the time before its start."""
    nvlink_with: tuple[int, ...] = ()
    """Indexes of the other chosen GPUs that NVLink connects it with, directly or over NVSwitches."""
    switch_with: tuple[int, ...] = ()
    """Indexes of the other chosen GPUs behind the same PCIe switch."""


class FreeGpus(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /api/free."""

    host: str
    is_simulated: bool
    is_enough: bool
    """As many GPUs fit as are wanted."""
    cuda_visible_devices: str | None
    """The value of the variable; null unless there are enough."""
    cuda_device_order: str | None
    """PCI_BUS_ID where the devices are indexes: CUDA counts in this order only if CUDA_DEVICE_ORDER says so. Else null."""
    gpus: tuple[FreeGpu, ...]
    """The chosen ones, the least loaded first; if they are too few, all that fit."""
    fitting_count: int
    """How many GPUs fit."""
    reason: str | None
    """Why there are too few."""


class _Candidate(NamedTuple):
    gpu: Gpu
    device: str
    memory_free_bytes: int | None
    place: Place


def choose(
    snapshot: Snapshot, wanted: Wanted, free_seconds: Mapping[str, float], *, place: PlaceOf = place_of
) -> FreeGpus:
    """The free GPUs that fit best. `free_seconds`: how long each has been free, by UUID. The snapshot must not be stale."""
    fitting = _fitting(snapshot.gpus, wanted, free_seconds, place)
    is_enough = len(fitting) >= wanted.gpu_count
    chosen = _nearest(fitting, wanted.gpu_count) if is_enough else fitting
    devices = [each.device for each in chosen]
    return FreeGpus(
        host=snapshot.host,
        is_simulated=snapshot.is_simulated,
        is_enough=is_enough,
        cuda_visible_devices=",".join(devices) if is_enough else None,
        cuda_device_order="PCI_BUS_ID" if is_enough and devices[0].isdigit() else None,
        gpus=tuple([_shown(each, chosen, free_seconds) for each in chosen]),
        fitting_count=len(fitting),
        reason=None if is_enough else _too_few(snapshot.gpus, len(fitting), wanted),
    )


def is_offered(gpu: Gpu, use: GpuUse) -> bool:
    """Free by its readings, and CUDA can run on it as it is."""
    return use == "free" and gpu.compute_mode != "prohibited" and gpu.recovery_action in (None, "none")


def free_count(gpus: Sequence[Gpu], uses: Sequence[GpuUse]) -> int:
    """How many GPUs a program can use now."""
    free = [gpu for gpu, use in zip(gpus, uses, strict=True) if is_offered(gpu, use)]
    _, named = visible_devices(free)
    return len(named) or len(free)


def _fitting(
    gpus: Sequence[Gpu], wanted: Wanted, free_seconds: Mapping[str, float], place: PlaceOf
) -> list[_Candidate]:
    """All that fit, the least loaded first. A list names its GPUs by UUID or by index, never both: the longer one is used.

    A process can use one MIG instance only, so one is offered where a single GPU is wanted and no whole GPU fits.
    """
    free = [
        gpu
        for gpu in gpus
        if is_offered(gpu, gpu.use)
        and not wanted.exclude & {gpu.uuid, str(gpu.index)}
        and free_seconds.get(gpu.uuid, 0.0) >= wanted.idle_seconds
    ]
    free.sort(key=_load)
    whole = [gpu for gpu in free if not gpu.mig_mode and _has_room(memory_free_of(gpu), wanted)]
    by_uuid = [gpu for gpu in whole if has_driver_uuid(gpu.uuid)]
    by_index = [gpu for gpu in whole if has_driver_uuid(gpu.uuid) or is_own_uuid(gpu.uuid)]
    names_indexes = len(by_index) > len(by_uuid) and len(by_uuid) < wanted.gpu_count
    found = [
        _Candidate(gpu, str(gpu.index) if names_indexes else gpu.uuid, memory_free_of(gpu), place(gpu))
        for gpu in (by_index if names_indexes else by_uuid)
    ]
    return found or (list(_instances(free, wanted)) if wanted.gpu_count == 1 else [])


def _instances(free: Sequence[Gpu], wanted: Wanted) -> Iterator[_Candidate]:
    for gpu in free:
        for each in gpu.mig_instances if gpu.mig_mode else ():
            if each.uuid is not None and has_driver_uuid(each.uuid) and _has_room(each.memory_free_bytes, wanted):
                yield _Candidate(gpu, each.uuid, each.memory_free_bytes, Place())


def _load(gpu: Gpu) -> tuple[bool, float, int, int]:
    """A GPU that would have to wake up comes last."""
    return gpu.state == "asleep", gpu.utilization_percent or 0.0, gpu.memory_used_bytes or 0, gpu.index


def memory_free_of(gpu: Gpu) -> int | None:
    """Free memory, or what is neither used nor reserved; None if unknown."""
    if gpu.memory_free_bytes is not None:
        return gpu.memory_free_bytes
    if gpu.memory_total_bytes is None or gpu.memory_used_bytes is None:
        return None
    return max(0, gpu.memory_total_bytes - gpu.memory_used_bytes - (gpu.memory_reserved_bytes or 0))


def _has_room(free_bytes: int | None, wanted: Wanted) -> bool:
    return not wanted.memory_bytes or (free_bytes is not None and free_bytes >= wanted.memory_bytes)


def _nearest(fitting: list[_Candidate], count: int) -> list[_Candidate]:
    """The group whose members are nearest to each other; among equal ones the least loaded. `fitting`: by load."""
    if count == 1 or count == len(fitting):
        return fitting[:count]
    best: tuple[tuple[int, int], list[int]] | None = None
    for start in range(min(len(fitting), _MOST_STARTS)):
        nearness_sum, members = _group_around(fitting, start, count)
        score = (nearness_sum, -sum(members))
        if best is None or score > best[0]:
            best = (score, members)
    assert best is not None
    return [fitting[place] for place in sorted(best[1])]


def _group_around(fitting: list[_Candidate], start: int, count: int) -> tuple[int, list[int]]:
    """Add the nearest one to the group, one by one. Returns the sum of all pairs' nearness, and the members."""
    members, total, last = [start], 0, start
    near = {place: 0 for place in range(len(fitting)) if place != start}
    while len(members) < count:
        for place in near:
            near[place] += nearness(fitting[last].place, fitting[place].place)
        last = max(near, key=lambda place: (near[place], -place))
        total += near.pop(last)
        members.append(last)
    return total, members


def _shown(each: _Candidate, chosen: Sequence[_Candidate], free_seconds: Mapping[str, float]) -> FreeGpu:
    gpu = each.gpu
    others = [other for other in chosen if other.gpu.uuid != gpu.uuid]
    return FreeGpu(
        index=gpu.index,
        uuid=gpu.uuid,
        name=gpu.name,
        device=each.device,
        memory_free_bytes=each.memory_free_bytes,
        free_seconds=free_seconds.get(gpu.uuid, 0.0),
        nvlink_with=_indexes(other for other in others if are_linked(each.place, other.place)),
        switch_with=_indexes(other for other in others if share_pcie_switch(each.place, other.place)),
    )


def _indexes(candidates: Iterable[_Candidate]) -> tuple[int, ...]:
    return tuple(sorted(each.gpu.index for each in candidates))


def _too_few(gpus: Sequence[Gpu], fitting: int, wanted: Wanted) -> str:
    free = [gpu for gpu in gpus if is_offered(gpu, gpu.use)]
    if not free:
        return "No GPU is free."
    if all(gpu.mig_mode for gpu in free) and wanted.gpu_count > 1:
        return "The free GPUs are in MIG mode: a process can use only one instance."
    if not any(has_driver_uuid(gpu.uuid) or is_own_uuid(gpu.uuid) for gpu in free):
        return "The free GPUs have no name that CUDA knows."
    if wanted.gpu_count == 1:
        return "The free GPU does not fit." if len(free) == 1 else f"None of the {len(free)} free GPUs fits."
    if fitting == len(free):
        return f"Only {fitting} GPU{' is' if fitting == 1 else 's are'} free; {wanted.gpu_count} are wanted."
    return f"{fitting or 'None'} of the {len(free)} free GPUs fit{'' if fitting > 1 else 's'}; {wanted.gpu_count} are wanted."
