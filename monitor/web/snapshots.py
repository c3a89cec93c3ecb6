"""Snapshots for pages and API: without details for viewers who may not see them, and waited for after the start."""

from __future__ import annotations

import asyncio
import socket
import time

import msgspec
from django.http import HttpRequest

from monitor.access.visitor import visitor_of
from monitor.live.hub import Hub
from monitor.runtime.process import runtime
from monitor.runtime.runtime import Runtime
from monitor.sanitize import plain
from monitor.telemetry import redaction
from monitor.telemetry.schema import Snapshot
from monitor.web.api.hosts import is_own, latest_of

LONGEST_WAIT_SECONDS = 2.0
_STEP_SECONDS = 0.05


def as_seen(snapshot: Snapshot, request: HttpRequest) -> Snapshot:
    """What this visitor may see of the snapshot."""
    visitor = visitor_of(request)
    return redaction.as_seen(snapshot, has_details=visitor.sees_details, has_commands=visitor.sees_commands)


async def first_seen(request: HttpRequest, host: str | None = None) -> Snapshot:
    """The newest snapshot for a page, by default of the host that answers. Raises NoSuchHost."""
    running = runtime()
    if not is_own(running, host):
        assert host is not None
        return as_seen(await latest_of(running, host) or _without_readings(host), request)
    return as_seen(await _own(running), request)


async def first_seen_of_all(request: HttpRequest) -> Snapshot:
    """For a page that is of no host in particular: the newest snapshot of the host that answers, with the open alerts of all."""
    running = runtime()
    return as_seen(msgspec.structs.replace(await _own(running), alerts=running.open_alerts), request)


async def _own(running: Runtime) -> Snapshot:
    return await first_snapshot(running.hub, longest_seconds=LONGEST_WAIT_SECONDS if running.is_running else 0.0)


async def first_snapshot(hub: Hub, *, longest_seconds: float = LONGEST_WAIT_SECONDS) -> Snapshot:
    """The newest snapshot. Right after the start it waits for the first one worth showing, then settles for an empty one."""
    deadline = time.monotonic() + longest_seconds
    while not has_news(hub.latest) and time.monotonic() < deadline:  # noqa: ASYNC110  # set in another thread
        await asyncio.sleep(_STEP_SECONDS)
    return hub.latest or Snapshot(host=plain(socket.gethostname()), seq=0, time=time.time())


def _without_readings(host: str) -> Snapshot:
    reason = "No reading has arrived since the hub started."
    return Snapshot(host=plain(host), seq=0, time=time.time(), stale=True, stale_reason=reason)


def has_news(snapshot: Snapshot | None) -> bool:
    """Whether there is something to show: a reading, or why there is none."""
    return snapshot is not None and bool(snapshot.sampled_at is not None or snapshot.providers or snapshot.stale)
