"""The page of free GPUs. Its content is also that of the dashboard's picker."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.access.middleware import opens_with_link
from monitor.runtime.process import runtime
from monitor.telemetry.free.topology import place_elsewhere, place_of
from monitor.web.api.hosts import NoSuchHost
from monitor.web.components.free_gpus import FreeChoice, FreeForm
from monitor.web.hosts.addresses import host_in_addresses
from monitor.web.hosts.missing import no_such_host
from monitor.web.pages.base_context import StillPage, base_context
from monitor.web.snapshots import first_seen


@opens_with_link
@never_cache
@require_safe
async def free(request: HttpRequest) -> HttpResponse:
    """`?count=2&memory=20GiB&idle_for=5min`; for htmx only the GPUs and the lines to copy, and at first the form."""
    host = request.GET.get("host") or None
    try:
        snapshot = await first_seen(request, host)
    except NoSuchHost as error:
        return await no_such_host(request, error)
    form, other = FreeForm(request.GET.dict()), host_in_addresses(host)
    free_seconds = runtime().free_time.seconds_on(snapshot, is_own=not other)
    choice = FreeChoice(snapshot, form, free_seconds, place=place_elsewhere if other else place_of)
    if request.htmx:  # type: ignore[attr-defined]  # set by HtmxMiddleware
        name = "choice" if "count" in request.GET else "picker"
        return render(request, f"monitor/fragments/free/{name}.html", {"choice": choice})
    page = StillPage(snapshot, "Free GPUs")
    return render(request, "monitor/free.html", {"page": page, "choice": choice, **await base_context(request, None)})
