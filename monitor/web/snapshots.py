"""A snapshot as the one who asks may see it: whole, or without who runs what."""

from __future__ import annotations

from django.http import HttpRequest

from monitor.access.visitor import visitor_of
from monitor.runtime import process
from monitor.telemetry.redaction import without_details
from monitor.telemetry.schema import Snapshot
from monitor.web.waiting import first_snapshot


def as_seen(snapshot: Snapshot, request: HttpRequest) -> Snapshot:
    """What of the snapshot may be shown in answer to this request."""
    return snapshot if visitor_of(request).sees_details else without_details(snapshot)


async def first_seen(request: HttpRequest) -> Snapshot:
    """The same of the latest, for a page: within the first moments after the start it waits for a reading."""
    return as_seen(await first_snapshot(process.started().hub), request)
