"""The hosts of /api/hosts: this one first, then those whose agents have joined."""

from __future__ import annotations

import socket

import msgspec

from monitor.fleet.host_summary import HostSummary, SummarizedSnapshot
from monitor.live.hub import Hub
from monitor.runtime.runtime import Runtime
from monitor.sanitize import plain
from monitor.telemetry.schema import Snapshot
from monitor.version import __version__

_MOST_NAMES = 50


class Hosts(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts that this server shows."""

    hosts: tuple[HostSummary, ...]


class NoSuchHost(Exception):
    """The text says which hosts there are."""


async def latest_of(runtime: Runtime, wanted: str | None) -> Snapshot | None:
    """The newest snapshot of the host with this name or id (None: of this host); None before its first. Raises NoSuchHost."""
    if is_own(runtime, wanted):
        return runtime.hub.latest
    assert wanted is not None
    try:
        return await runtime.fleet.latest_of(wanted)
    except KeyError:
        names = ", ".join(each.name for each in hosts_of(runtime).hosts[:_MOST_NAMES])
        raise NoSuchHost(f"No host {wanted[:100]!r}. /api/hosts lists all: {names}.") from None


def hub_of(runtime: Runtime, wanted: str | None) -> Hub | None:
    """The hub of the host with this name or id (None: of this one), for a client that joins it now; None if there is none."""
    if is_own(runtime, wanted):
        return runtime.hub
    assert wanted is not None
    return runtime.fleet.hub_of(wanted)


def is_own(runtime: Runtime, wanted: str | None) -> bool:
    """Whether this is the name or id of the host that answers (None: it is)."""
    latest = runtime.hub.published
    return wanted is None or wanted == runtime.fleet.own_host_id or (latest is not None and wanted == latest.host)


def hosts_of(runtime: Runtime) -> Hosts:
    """The hub itself, then the others by name."""
    latest = runtime.hub.latest
    has_reading = latest is not None and latest.sampled_at is not None
    is_stale = latest is None or latest.stale or not has_reading
    known = SummarizedSnapshot(latest).fields() if latest else {}
    if is_stale:
        known["free_gpu_count"] = None
    own = HostSummary(
        host_id=runtime.fleet.own_host_id,
        name=own_name(runtime),
        is_hub=True,
        state="active",
        is_connected=True,
        age_seconds=runtime.hub.silent_seconds if latest else None,
        stale=is_stale,
        stale_reason=(latest.stale_reason if latest else None) or (None if has_reading else "There is no reading yet."),
        agent_version=__version__,
        **known,
    )
    return Hosts(hosts=(own, *runtime.fleet.summaries()))


def own_name(runtime: Runtime) -> str:
    """The name of the host that answers."""
    latest = runtime.hub.published
    return latest.host if latest else plain(socket.gethostname())
