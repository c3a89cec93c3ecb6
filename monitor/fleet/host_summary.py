"""A host as /api/hosts and the page of hosts list it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import msgspec

from monitor.telemetry.free.choice import free_count
from monitor.telemetry.schema import Gpu, Percent, Snapshot, Totals
from monitor.telemetry.schema.units import Quantity

GpuUseOrState = Literal["busy", "held", "free", "mig", "asleep", "lost", "unknown"]


class GpuSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A GPU in the list of hosts."""

    index: int
    uuid: str
    name: str
    use: GpuUseOrState
    """mig: in MIG mode, whatever its instances do. asleep and lost as in the snapshot. Else by its readings."""
    utilization_percent: Percent | None = None
    temperature_celsius: Quantity | None = None
    vbios_version: str | None = None
    persistence_mode: bool | None = None
    ecc_is_enabled: bool | None = None
    mig_mode: bool | None = None


class HostSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A host in the list of /api/hosts."""

    host_id: str | None
    name: str
    is_hub: bool
    """It is the host that answers."""
    state: str
    """active, may_be_off, pending (waits for an administrator), retired or revoked."""
    tags: tuple[str, ...] = ()
    is_connected: bool
    """Its agent is connected."""
    sampled_at: float | None = None
    """When its GPUs were read, by its own clock."""
    age_seconds: float | None = None
    """Since its newest snapshot arrived, by the hub's clock."""
    reading_age_seconds: Quantity | None = None
    """Age of the GPU readings in that snapshot when it was made."""
    stale: bool
    """Its readings are too old, or there are none."""
    stale_reason: str | None = None
    gpu_count: int | None = None
    """Null without a reading."""
    gpus: tuple[GpuSummary, ...] = ()
    """As of its newest reading, also while that is stale."""
    free_gpu_count: int | None = None
    """GPUs that a program can use now; null while that is not known."""
    totals: Totals | None = None
    """Of the same reading."""
    is_simulated: bool = False
    driver_version: str | None = None
    cuda_version: str | None = None
    agent_version: str | None = None
    clock_offset_seconds: float | None = None
    """How far its clock is ahead of the hub's; null if that was not measured since the hub started."""
    late_count: int = 0
    """Snapshots of times without a connection that have arrived since the hub started."""
    last_seen_at: float | None = None
    """By the registry, which is written about once a minute."""
    problem: str | None = None


class SummarizedSnapshot:
    """The part of a HostSummary that comes from one snapshot, made when somebody first asks for it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    @cached_property
    def _gpus(self) -> tuple[GpuSummary, ...]:
        return tuple([_gpu(gpu) for gpu in self.snapshot.gpus])

    @cached_property
    def _free_count(self) -> int:
        return free_count(self.snapshot.gpus, [gpu.use for gpu in self.snapshot.gpus])

    def fields(self) -> dict[str, Any]:
        """Fields of the HostSummary. Whether the readings are stale is judged elsewhere; stale ones show no GPU as free."""
        snapshot = self.snapshot
        has_reading = snapshot.sampled_at is not None
        return {
            "sampled_at": snapshot.sampled_at,
            "reading_age_seconds": snapshot.age_seconds,
            "gpu_count": len(snapshot.gpus) if has_reading else None,
            "gpus": self._gpus,
            "free_gpu_count": self._free_count if has_reading else None,
            "totals": snapshot.totals if has_reading else None,
            "is_simulated": snapshot.is_simulated,
            "driver_version": snapshot.driver_version,
            "cuda_version": snapshot.cuda_version,
        }


def _gpu(gpu: Gpu) -> GpuSummary:
    return GpuSummary(
        index=gpu.index,
        uuid=gpu.uuid,
        name=gpu.name,
        use=gpu.state if gpu.state != "ok" else "mig" if gpu.mig_mode else gpu.use,
        utilization_percent=gpu.utilization_percent,
        temperature_celsius=gpu.temperature_celsius,
        vbios_version=gpu.vbios_version,
        persistence_mode=gpu.persistence_mode,
        ecc_is_enabled=gpu.ecc_is_enabled,
        mig_mode=gpu.mig_mode,
    )
