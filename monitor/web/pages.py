"""The pages: drawn with the current values in the first response, then live over the socket that each names."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.live.frames import View
from monitor.web import current, dashboard, gpu_page
from monitor.web.process_rows import Sorting
from monitor.web.waiting import first_snapshot

_LONGEST_UUID = 96


def view_named(name: str) -> View | None:
    """The page that a socket asks for, without a name the cards; None where there is none of that name."""
    if layout := dashboard.LAYOUTS.get(name or "cards"):
        return dashboard.view(layout, current.idle_limits)
    uuid = name.removeprefix(gpu_page.PREFIX)
    return gpu_page.view(uuid, current.idle_limits) if uuid != name and 0 < len(uuid) <= _LONGEST_UUID else None


def _shared(request: HttpRequest, view: str | None) -> dict[str, Any]:
    """What every page needs beside its own content. One without a view has nothing live, and opens no socket."""
    home = reverse("dashboard")
    return {
        "home_path": home,
        "socket_path": None if view is None else f"{home}ws/dashboard?view={quote(view)}",
        "version": current.version(),
        "is_kiosk": request.GET.get("kiosk") == "1",
    }


@never_cache
@require_safe
async def dashboard_page(request: HttpRequest) -> HttpResponse:
    """All GPUs; a first visit right after the start waits a moment for the readings."""
    snapshot = await first_snapshot(current.started().hub)
    layout = dashboard.layout_of(snapshot, request.GET.get("layout", ""))
    page = dashboard.Dashboard(snapshot, layout, Sorting.of(request.GET), idle=current.idle_limits())
    return render(request, "monitor/dashboard.html", {"page": page, **_shared(request, layout)})


@never_cache
@require_safe
async def gpu(request: HttpRequest, uuid: str) -> HttpResponse:
    """One GPU by its UUID; 404 with a way back where there is none."""
    snapshot = await first_snapshot(current.started().hub)
    page = gpu_page.GpuPage(snapshot, uuid, Sorting.of(request.GET), idle=current.idle_limits())
    if page.gpu is None:
        return render(request, "monitor/no_such_gpu.html", {"page": page, **_shared(request, None)}, status=404)
    return render(request, "monitor/gpu.html", {"page": page, **_shared(request, gpu_page.PREFIX + uuid)})
