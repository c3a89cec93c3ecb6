"""A snapshot, and the reading that it is made from."""

from __future__ import annotations

import msgspec

from monitor.telemetry.schema.alert import Alert
from monitor.telemetry.schema.gpu import Gpu, Reasons
from monitor.telemetry.schema.host import System, Totals
from monitor.telemetry.schema.units import Integer, PollSeconds, Quantity, UnixSeconds

SCHEMA_VERSION = 1


class ProviderReport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The result of trying one provider, in the same words in the log, on the page, in health and in doctor."""

    name: str
    is_chosen: bool = False
    reason: str | None = None
    """Why it was skipped."""
    fix: str | None = None
    """How to fix that."""


class Notice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something about this host that costs readings or power, reported once."""

    code: str
    text: str
    fix: str | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="reading"):
    """What a provider returns at one tick: the GPUs of a Snapshot."""

    sampled_at: UnixSeconds
    """When the GPUs were read."""
    gpus: tuple[Gpu, ...]
    driver_version: str | None = None
    cuda_version: str | None = None
    unavailable: Reasons = {}
    notices: tuple[Notice, ...] = ()
    clamped_count: Integer = 0
    """Percentages slightly above 100 that the provider has brought back to 100 so far."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One host at one moment."""

    schema_version: Integer = SCHEMA_VERSION
    host: str
    host_id: str | None = None
    """Random, made at gpumon's first start on this host: 32 hexadecimal digits. It stays when the host is renamed. Null in older
    snapshots, and if no server or agent made the snapshot."""
    boot_id: str | None = None
    """Random for each start of the server or agent. With another one `seq` has started over. Null if neither made the snapshot."""
    seq: Integer
    """Increases by one with each snapshot while the server runs."""
    time: UnixSeconds
    """When this snapshot was made."""
    sampled_at: UnixSeconds | None = None
    """When the GPUs were read; null before the first reading."""
    stale: bool = False
    """The GPU readings are too old; system metrics are still current."""
    age_seconds: Quantity | None = None
    """Age of the GPU readings."""
    stale_reason: str | None = None
    provider: str | None = None
    """Its name (pynvml, nvidia_smi, nvtop, simulated or replay); null if none works."""
    is_simulated: bool = False
    """Simulated or replayed readings: every page says so."""
    driver_version: str | None = None
    cuda_version: str | None = None
    """The newest CUDA version the driver supports."""
    poll_interval_seconds: PollSeconds | None = None
    gpus: tuple[Gpu, ...] = ()
    totals: Totals = Totals()
    system: System | None = None
    """Null if ENABLE_SYSTEM_METRICS is off."""
    providers: tuple[ProviderReport, ...] = ()
    notices: tuple[Notice, ...] = ()
    alerts: tuple[Alert, ...] = ()
    """Open alerts, the worst first; of a hub those of all its hosts, each with its `host_id`. When one fires or resolves, the
    snapshot is published again with the same `seq`."""
    unavailable: Reasons = {}
