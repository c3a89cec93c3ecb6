"""The hosts of /api/hosts: this one first, then those whose agents have joined."""

from __future__ import annotations

import socket

import msgspec

from monitor.fleet.host_summary import HostSummary
from monitor.runtime.runtime import Runtime
from monitor.sanitize import plain
from monitor.version import __version__


class Hosts(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts that this server shows."""

    hosts: tuple[HostSummary, ...]


def hosts_of(runtime: Runtime) -> Hosts:
    """The hub itself, then the others by name."""
    latest = runtime.hub.latest
    has_reading = latest is not None and latest.sampled_at is not None
    own = HostSummary(
        host_id=runtime.fleet.own_host_id,
        name=latest.host if latest else plain(socket.gethostname()),
        is_hub=True,
        state="active",
        is_connected=True,
        sampled_at=latest.sampled_at if latest else None,
        age_seconds=runtime.hub.silent_seconds if latest else None,
        stale=latest is None or latest.stale or latest.sampled_at is None,
        stale_reason=(latest.stale_reason if latest else None) or (None if has_reading else "There is no reading yet."),
        gpu_count=len(latest.gpus) if latest and has_reading else None,
        driver_version=latest.driver_version if latest else None,
        agent_version=__version__,
    )
    return Hosts(hosts=(own, *runtime.fleet.summaries()))
