"""The pages: drawn with the current values in the first response, then live over the socket that each names."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.access.visitor import visitor_of
from monitor.live.pieces import LivePage
from monitor.runtime.process import runtime
from monitor.web.components.process_table import Sorting
from monitor.web.pages import alerts_page, dashboard
from monitor.web.pages import gpu as gpu_page
from monitor.web.pages.alert_history import history_of_gpu
from monitor.web.pages.base_context import frame
from monitor.web.snapshots import first_seen

_LONGEST_UUID = 96


def live_page_named(name: str) -> LivePage | None:
    """The page that a socket asks for, without a name the cards; None where there is none of that name."""
    if layout := dashboard.LAYOUTS.get(name or "cards"):
        return dashboard.live_page(layout, runtime().idle_limits)
    if name == alerts_page.LIVE_PAGE.name:
        return alerts_page.LIVE_PAGE
    uuid = name.removeprefix(gpu_page.PREFIX)
    return gpu_page.live_page(uuid, runtime().idle_limits) if uuid != name and 0 < len(uuid) <= _LONGEST_UUID else None


@never_cache
@require_safe
async def dashboard_page(request: HttpRequest) -> HttpResponse:
    """All GPUs; a first visit right after the start waits a moment for the readings."""
    snapshot = await first_seen(request)
    layout = dashboard.layout_of(snapshot, request.GET.get("layout", ""))
    page = dashboard.Dashboard(snapshot, layout, Sorting.of(request.GET), idle=runtime().idle_limits())
    return render(request, "monitor/dashboard.html", {"page": page, **await frame(request, layout)})


@never_cache
@require_safe
async def gpu(request: HttpRequest, uuid: str) -> HttpResponse:
    """One GPU by its UUID; 404 with a way back where there is none."""
    snapshot = await first_seen(request)
    page = gpu_page.GpuPage(snapshot, uuid, Sorting.of(request.GET), idle=runtime().idle_limits())
    if page.gpu is None:
        return render(request, "monitor/no_such_gpu.html", {"page": page, **await frame(request, None)}, status=404)
    past = await history_of_gpu(uuid, has_details=visitor_of(request).sees_details)
    context = {"page": page, "past": past, **await frame(request, gpu_page.PREFIX + uuid)}
    return render(request, "monitor/gpu.html", context)
