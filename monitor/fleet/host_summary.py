"""A host as /api/hosts lists it."""

from __future__ import annotations

import msgspec


class HostSummary(msgspec.Struct, frozen=True, kw_only=True):
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
    stale: bool
    """Its readings are too old, or there are none."""
    stale_reason: str | None = None
    gpu_count: int | None = None
    """Null without a reading."""
    driver_version: str | None = None
    agent_version: str | None = None
    clock_offset_seconds: float | None = None
    """How far its clock is ahead of the hub's; null if that was not measured since the hub started."""
    late_count: int = 0
    """Snapshots of times without a connection that have arrived since the hub started."""
    last_seen_at: float | None = None
    """By the registry, which is written about once a minute."""
    problem: str | None = None
