"""Who had the GPUs: the ribbons of the dashboard's cards, and the strip above a GPU's charts.

Pages ask for them after they have loaded: a slow or broken ledger must not hold them up.
"""

from __future__ import annotations

import logging
import time

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.access.middleware import opens_with_link
from monitor.access.visitor import visitor_of
from monitor.usage.ribbons import ribbons as read_ribbons
from monitor.web.snapshots import first_seen
from monitor.web.span import span_of
from monitor.web.usage.ribbon import start_of, strips_of, who_of

WHO_POINTS = 576
log = logging.getLogger(__name__)


@opens_with_link
@never_cache
@require_safe
async def ribbons(request: HttpRequest) -> HttpResponse:
    """Elements that replace those with the same ids on the page; none if the ledger cannot be read."""
    snapshot = await first_seen(request)
    start = start_of(time.time())
    try:
        found = await sync_to_async(read_ribbons)(start, start + 86400)
    except DatabaseError as error:
        log.warning("the dashboard has no ribbons, the usage ledger cannot be read: %s", error)
        found = []
    has_details = visitor_of(request).sees_details
    made = strips_of(snapshot, found, start, timezone.get_current_timezone(), has_details=has_details)
    return render(request, "monitor/fragments/usage/ribbons.html", {"ribbons": made})


@opens_with_link
@never_cache
@require_safe
async def who(request: HttpRequest, uuid: str) -> HttpResponse:
    """Who had this GPU in the span of the address, as that of its page."""
    try:
        span = span_of(request.GET.dict(), time.time())
    except ValueError as error:
        return HttpResponseBadRequest(f"{error}.", content_type="text/plain; charset=utf-8")
    reason = "No use of this GPU is recorded in this span."
    found = []
    try:
        found = await sync_to_async(read_ribbons)(span.start, span.end, points=WHO_POINTS, uuid=uuid)
    except DatabaseError as error:
        log.warning("the usage ledger cannot be read: %s", error)
        reason = "The usage ledger cannot be read, so its users are unknown."
    zone, has_details = timezone.get_current_timezone(), visitor_of(request).sees_details
    made = who_of(found[0], span.start, span.end, zone, has_details=has_details) if found and found[0].spans else None
    return render(request, "monitor/fragments/usage/who.html", {"who": made, "reason": reason})
