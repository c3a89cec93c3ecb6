"""The ribbons of the dashboard's cards. Asked for by the page after it has loaded: a slow or broken ledger must not hold it up."""

from __future__ import annotations

import logging
import time

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.access.visitor import visitor_of
from monitor.usage.ribbons import ribbons as read_ribbons
from monitor.web.snapshots import first_seen
from monitor.web.usage.ribbon import start_of, strips_of

log = logging.getLogger(__name__)


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
