"""All GPUs seen on this host: a lost one keeps its place, and one asleep its known facts.

Belongs to the supervisor, so that it outlives the sampler's process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from monitor.telemetry.providers.base import GPU_METRICS
from monitor.telemetry.sampler.identity import Identities
from monitor.telemetry.schema import Gpu, GpuState, Notice, Xid

FACTS = frozenset(
    name
    for name in GPU_METRICS
    if name.endswith(("_max", "_max_mhz", "_total_bytes", "_limit_watts"))
    or name in ("pci_bus_id", "architecture", "brand", "serial_number", "compute_capability", "vbios_version")
    or name in ("compute_mode", "persistence_mode", "mig_mode")
    or name in ("slowdown_temperature_celsius", "shutdown_temperature_celsius", "ecc_is_enabled", "xids")
)
"""Metrics that stay true while a GPU is not read; all others are momentary."""


def facts_only(gpu: Gpu, *, state: GpuState, since: float | None, read_at: float | None, reason: str) -> Gpu:
    """The GPU with its lasting facts; every other metric is unknown for `reason`."""
    values: dict[str, Any] = {name: getattr(gpu, name) for name in FACTS}
    unavailable = {
        name: gpu.unavailable.get(name, reason) if name in FACTS else reason
        for name in GPU_METRICS
        if values.get(name) is None
    }
    return Gpu(
        index=gpu.index,
        uuid=gpu.uuid,
        uuid_is_substitute=gpu.uuid_is_substitute,
        name=gpu.name,
        state=state,
        since=since,
        read_at=read_at,
        memory_is_unified=gpu.memory_is_unified,
        unavailable=unavailable,
        **values,
    )


class Roster:
    """The GPUs seen since the server started."""

    def __init__(self) -> None:
        self._identities = Identities()
        self._known: dict[str, Gpu] = {}
        self._read_at: dict[str, float] = {}
        self._gone: dict[str, Gpu] = {}
        self._xids_before: dict[str, tuple[Xid, ...]] = {}

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Notices about the GPUs of the last reading."""
        return self._identities.notices

    def restarted(self) -> None:
        """A new sampler counts from zero: keep the counts of the previous one."""
        self._xids_before = {uuid: gpu.xids for uuid, gpu in self._known.items() if gpu.xids is not None}

    def forget(self) -> None:
        """Start over: another provider identifies the GPUs differently."""
        self._identities = Identities()
        self._known.clear()
        self._read_at.clear()
        self._gone.clear()
        self._xids_before.clear()

    def update(self, gpus: Sequence[Gpu], sampled_at: float) -> tuple[Gpu, ...]:
        """The GPUs of a reading, and those missing from it, in the order of their index."""
        present: dict[str, Gpu] = {}
        distinct, shared = self._identities.distinguish(gpus)
        for uuid in shared:  # until now it seemed to identify one GPU
            for known in (self._known, self._gone, self._read_at, self._xids_before):
                known.pop(uuid, None)
        listed = {gpu.uuid for gpu in distinct}
        for given in distinct:
            gpu = self._complete(given, listed)
            listed.add(gpu.uuid)
            if gpu.state == "ok":
                self._read_at[gpu.uuid] = sampled_at
            present[gpu.uuid] = gpu
        self._forget_substitutes(present)
        for uuid, last in self._known.items():
            if uuid in present:
                self._gone.pop(uuid, None)
            elif uuid not in self._gone:
                self._gone[uuid] = facts_only(
                    last,
                    state="lost",
                    since=sampled_at,
                    read_at=self._read_at.get(uuid),
                    reason="the GPU is lost: the driver no longer lists it",
                )
        self._known.update(present)
        return tuple(sorted((*present.values(), *self._gone.values()), key=lambda gpu: (gpu.index, gpu.state != "ok")))

    def _complete(self, gpu: Gpu, listed: Collection[str]) -> Gpu:
        """Add what earlier readings know: the facts of a GPU asleep, the Xids of earlier samplers."""
        if gpu.state == "asleep":
            return self._remembered(gpu, listed)
        if gpu.state == "lost" and gpu.uuid in self._known:
            known = self._known[gpu.uuid]
            if gpu.xids is not None:  # the one that it was lost with is often reported after it
                known = msgspec.structs.replace(known, xids=self._counted(gpu))
            return facts_only(
                known,
                state="lost",
                since=gpu.since,
                read_at=self._read_at.get(gpu.uuid),
                reason=gpu.unavailable.get("utilization_percent", "the GPU is lost"),
            )
        if gpu.uuid_is_substitute and (last := self._known_at(gpu.pci_bus_id, listed)) and last.name == gpu.name:
            gpu = msgspec.structs.replace(gpu, uuid=last.uuid, uuid_is_substitute=last.uuid_is_substitute)
        xids = self._counted(gpu)
        return gpu if xids is gpu.xids else msgspec.structs.replace(gpu, xids=xids)

    def _counted(self, gpu: Gpu) -> tuple[Xid, ...] | None:
        """Its Xids with those of earlier samplers."""
        before = self._xids_before.get(gpu.uuid)
        return _added(before, gpu.xids) if before and gpu.xids is not None else gpu.xids

    def _forget_substitutes(self, present: Mapping[str, Gpu]) -> None:
        """Forget a GPU without a UUID of its own once one with it is in its place: it has woken, or the driver was asked again."""
        gone = [gpu for uuid, gpu in self._known.items() if gpu.uuid_is_substitute and uuid not in present]
        for known in gone:
            for gpu in present.values():
                if known.pci_bus_id == gpu.pci_bus_id if known.pci_bus_id else known.uuid == f"index-{gpu.index}":
                    self._known.pop(known.uuid, None)
                    self._gone.pop(known.uuid, None)

    def _known_at(self, pci_bus_id: str | None, listed: Collection[str]) -> Gpu | None:
        """The GPU that was at this place on the bus, unless it is listed now under its UUID."""
        at_place = (gpu for gpu in self._known.values() if pci_bus_id is not None and gpu.pci_bus_id == pci_bus_id)
        return next((gpu for gpu in at_place if gpu.uuid not in listed), None)

    def _remembered(self, gpu: Gpu, listed: Collection[str]) -> Gpu:
        # The kernel does not know the UUID of a GPU that no one has opened.
        last = self._known.get(gpu.uuid) or self._known_at(gpu.pci_bus_id, listed)
        if last is None:
            return gpu
        reason = gpu.unavailable.get("utilization_percent", "asleep")
        since = last.since if last.state == "asleep" else gpu.since
        return facts_only(last, state="asleep", since=since, read_at=self._read_at.get(last.uuid), reason=reason)


def _added(before: Sequence[Xid], now: Sequence[Xid]) -> tuple[Xid, ...]:
    """The counts of both samplers, the latest error first."""
    by_code: Mapping[int, Xid] = {xid.code: xid for xid in before}
    merged = dict(by_code)
    for xid in now:
        earlier = by_code.get(xid.code)
        merged[xid.code] = (
            Xid(code=xid.code, count=xid.count + earlier.count, last_at=max(xid.last_at, earlier.last_at))
            if earlier
            else xid
        )
    return tuple(sorted(merged.values(), key=lambda xid: -xid.last_at))
