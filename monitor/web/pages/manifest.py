"""The web app manifest, with which gpumon can be installed on a phone or as a window of its own (https://www.w3.org/TR/appmanifest)."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.access.middleware import opens_with_link
from monitor.access.responses import json_response
from monitor.access.visitor import visitor_of
from monitor.runtime.process import runtime

COLOR = "#0a0d13"
"""Of the window before the page is drawn: `--page` of the dark theme. The page itself names both (templates/app.html)."""
_ICONS = (
    ("icons/app.svg", "image/svg+xml", "any", "any"),
    ("icons/app-192.png", "image/png", "192x192", "any"),
    ("icons/app-512.png", "image/png", "512x512", "any"),
    ("icons/app-maskable-512.png", "image/png", "512x512", "maskable"),
)
"""File, type, sizes and purpose."""


@login_not_required  # the login page links to it; only viewers get the name of the host
@opens_with_link
@never_cache
@require_safe
async def manifest(request: HttpRequest) -> HttpResponse:
    """Names the host, so that several installed ones can be told apart."""
    latest = runtime().hub.latest if visitor_of(request).may_look else None
    home = reverse("dashboard")
    response = json_response(
        {
            "id": home,
            "name": f"gpumon · {latest.host}" if latest else "gpumon",
            "short_name": latest.host.partition(".")[0] if latest else "gpumon",
            "description": "The GPUs of a host, live.",
            "start_url": home,
            "scope": home,
            "display": "standalone",
            "background_color": COLOR,
            "theme_color": COLOR,
            "icons": [
                {"src": static(file), "type": kind, "sizes": sizes, "purpose": purpose}
                for file, kind, sizes, purpose in _ICONS
            ],
        }
    )
    response.headers["Content-Type"] = "application/manifest+json"
    return response
