"""The first page: all hosts if there are several, else the dashboard of the one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from monitor.access.middleware import opens_with_link
from monitor.http.security_headers import allow_frames
from monitor.runtime.process import runtime
from monitor.web.hosts.boards import boards
from monitor.web.hosts.page import HostsPage
from monitor.web.hosts.picker import shown_hosts
from monitor.web.hosts.wanted import Wanted
from monitor.web.pages.base_context import base_context, is_kiosk
from monitor.web.pages.dashboard import dashboard
from monitor.web.snapshots import as_seen


@opens_with_link
@vary_on_headers("HX-Request")
@never_cache
@require_safe
async def home(request: HttpRequest) -> HttpResponse:
    """With several hosts `?filter=`, `&sort=`, `&order=` and `&group=` arrange them; for htmx only the list."""
    running = runtime()
    if not running.fleet.has_hosts or len(shown_hosts(running)) < 2:
        only: HttpResponse = await dashboard(request)
        return only
    wanted = Wanted.of(request.GET.dict())
    tick = running.fleet_ticks.newest()
    page = HostsPage(boards().at(tick), wanted, as_seen(tick, request))
    context = {"page": page, **await base_context(request, wanted.page_name)}
    is_fragment = request.htmx  # type: ignore[attr-defined]  # set by HtmxMiddleware
    response = render(request, "monitor/hosts/list.html" if is_fragment else "monitor/hosts/hosts.html", context)
    if is_kiosk(request):  # which has no controls that another page could make someone click
        allow_frames(response, running.config.frame_ancestors)
    return response
