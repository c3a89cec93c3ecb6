"""The addresses of the badges: /badge/free.svg, and /badge/gpu0.svg or /badge/<UUID>.svg."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from monitor.access.middleware import answers_refused_links, opens_with_link
from monitor.access.responses import UNAUTHORIZED
from monitor.access.visitor import visitor_of
from monitor.http.security_headers import allow_as_image
from monitor.runtime.process import runtime
from monitor.web.api.read_only import read_only
from monitor.web.api.views import find_gpu
from monitor.web.components.badge import (
    Badge,
    drawn,
    free_badge,
    gpu_badge,
    no_reading_badge,
    no_such_gpu_badge,
    refused_badge,
    refused_link_badge,
)
from monitor.web.snapshots import as_seen

FREE = "free"
_BY_INDEX = "gpu"


@opens_with_link
@answers_refused_links
@login_not_required  # others than viewers get a badge that says so
@never_cache
@read_only("read")
async def badge(request: HttpRequest, name: str) -> HttpResponse:
    """A badge. Other sites may show it: it contains no names of users, and its size says nothing."""
    badge, status = _asked_for(request, name)
    response = HttpResponse(drawn(badge), content_type="image/svg+xml", status=status)
    if status == 401:
        response.headers["WWW-Authenticate"] = UNAUTHORIZED
    allow_as_image(response)
    return response


def _asked_for(request: HttpRequest, name: str) -> tuple[Badge, int]:
    visitor = visitor_of(request)
    if visitor.link_refused is not None:
        return refused_link_badge(visitor.link_refused), 410
    if not visitor.may_look:
        return refused_badge(), 401
    latest = runtime().hub.latest
    if latest is None:
        return no_reading_badge(), 200
    snapshot = as_seen(latest, request)
    if name == FREE:
        return free_badge(snapshot), 200
    gpu = find_gpu(snapshot, name.removeprefix(_BY_INDEX))
    if gpu is None:
        return no_such_gpu_badge(name), 404
    return gpu_badge(snapshot, gpu), 200
