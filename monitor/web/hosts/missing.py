"""The answer where an address names a host that there is not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from monitor.web.api.hosts import NoSuchHost
from monitor.web.pages.base_context import StillPage, base_context
from monitor.web.snapshots import first_seen_of_all


async def no_such_host(request: HttpRequest, error: NoSuchHost) -> HttpResponse:
    """404 with a way back."""
    page = StillPage(await first_seen_of_all(request), "No such host")
    context = {"page": page, "reason": str(error), **await base_context(request, None)}
    return render(request, "monitor/hosts/no_such_host.html", context, status=404)
