"""Who had the GPUs: the ribbons of the dashboard's cards, and the strip above a GPU's charts.

Pages ask for them after they have loaded: a slow or broken ledger must not hold them up. Without a script, the same addresses are
pages.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from monitor.access.middleware import opens_with_link
from monitor.access.visitor import visitor_of
from monitor.telemetry.schema import Snapshot
from monitor.usage.records import hosts as hosts_with_usage
from monitor.usage.ribbons import Ribbon
from monitor.usage.ribbons import ribbons as read_ribbons
from monitor.web.api.hosts import NoSuchHost
from monitor.web.hosts.addresses import gpu_address
from monitor.web.hosts.missing import no_such_host
from monitor.web.pages.base_context import HtmxRequest, StillPage, base_context
from monitor.web.recorded_hosts import RecordedHost, seen_host
from monitor.web.span import span_of
from monitor.web.usage.ribbon import HOURS, Who, start_of, strips_of, who_of

WHO_POINTS = 576
NOT_RECORDED = "No use of this GPU is recorded in this span."
NOT_READ = "The usage ledger cannot be read, so its users are unknown."
log = logging.getLogger(__name__)


class GpuUse(NamedTuple):
    """Who had one GPU, for a page."""

    address: str
    """Of its page; empty if the host was deleted."""
    label: str
    who: Who | None
    reason: str
    """Why `who` is unknown."""


@opens_with_link
@vary_on_headers("HX-Request")
@never_cache
@require_safe
async def ribbons(request: HtmxRequest) -> HttpResponse:
    """For htmx, elements that replace those with the same ids on the page; none if the ledger cannot be read."""
    try:
        host, snapshot = await seen_host(request, request.GET.get("host"), hosts_with_usage)
    except NoSuchHost as error:
        return await no_such_host(request, error)
    start = start_of(time.time())
    reason = NOT_RECORDED
    try:
        found = await sync_to_async(read_ribbons)(start, start + HOURS * 3600, host_id=host.host_id)
    except DatabaseError as error:
        log.warning("the dashboard has no ribbons, the usage ledger cannot be read: %s", error)
        found, reason = [], NOT_READ
    zone, has_details = timezone.get_current_timezone(), visitor_of(request).sees_details
    if request.htmx:
        made = strips_of(snapshot, found, start, zone, has_details=has_details)
        return render(request, "monitor/fragments/usage/ribbons.html", {"ribbons": made})
    known = {ribbon.uuid: ribbon for ribbon in found}

    def use_of(uuid: str, label: str) -> GpuUse:
        made = _who(known.get(uuid), start, start + HOURS * 3600, zone, has_details=has_details)
        return GpuUse(_address(host, uuid), label, made, reason)

    uses = [use_of(gpu.uuid, f"GPU {gpu.index}") for gpu in snapshot.gpus]
    heading = "Who used the GPUs in the last 24 hours"
    return await _page(request, snapshot, heading, uses, (start, start + HOURS * 3600))


@opens_with_link
@vary_on_headers("HX-Request")
@never_cache
@require_safe
async def who(request: HtmxRequest, uuid: str) -> HttpResponse:
    """Who had this GPU in the span of the address, as that of its page."""
    try:
        host, snapshot = await seen_host(request, request.GET.get("host"), hosts_with_usage)
    except NoSuchHost as error:
        return await no_such_host(request, error)
    try:
        span = span_of(request.GET.dict(), time.time())
    except ValueError as error:
        return HttpResponseBadRequest(f"{error}.", content_type="text/plain; charset=utf-8")
    reason = NOT_RECORDED
    found = []
    try:
        found = await sync_to_async(read_ribbons)(
            span.start, span.end, points=WHO_POINTS, uuid=uuid, host_id=host.host_id
        )
    except DatabaseError as error:
        log.warning("the usage ledger cannot be read: %s", error)
        reason = NOT_READ
    zone, has_details = timezone.get_current_timezone(), visitor_of(request).sees_details
    made = _who(found[0] if found else None, span.start, span.end, zone, has_details=has_details)
    if request.htmx:
        return render(request, "monitor/fragments/usage/who.html", {"who": made, "reason": reason})
    label = next((f"GPU {gpu.index}" for gpu in snapshot.gpus if gpu.uuid == uuid), uuid)
    uses = [GpuUse(_address(host, uuid), label, made, reason)]
    return await _page(request, snapshot, f"Who used {label}", uses, (span.start, span.end))


def _address(host: RecordedHost, uuid: str) -> str:
    return gpu_address(host.in_addresses, uuid) if host.has_pages else ""


def _who(ribbon: Ribbon | None, start: float, end: float, zone: tzinfo, *, has_details: bool) -> Who | None:
    """None without records."""
    if ribbon is None or not ribbon.spans:
        return None
    return who_of(ribbon, start, end, zone, has_details=has_details)


async def _page(
    request: HtmxRequest, snapshot: Snapshot, heading: str, uses: list[GpuUse], span: tuple[float, float]
) -> HttpResponse:
    since, until = (datetime.fromtimestamp(at, UTC) for at in span)
    context = {
        "page": StillPage(snapshot, heading),
        "heading": heading,
        "since": since,
        "until": until,
        "uses": uses,
        **await base_context(request, None),
    }
    return render(request, "monitor/who_used.html", context)
