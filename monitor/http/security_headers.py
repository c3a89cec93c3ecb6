"""The headers that keep a page to its own origin and out of caches. Django's SecurityMiddleware sets the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import iscoroutinefunction
from typing import cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

# connect-src 'self' covers ws: and wss: to the same host and port (CSP level 3, "scheme-part match").
_NO_FRAMES = "frame-ancestors 'none'"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    f"manifest-src 'self'; base-uri 'none'; form-action 'self'; {_NO_FRAMES}"
)
PERMISSIONS_POLICY = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": PERMISSIONS_POLICY,
    # Here and not by Django's XFrameOptionsMiddleware, which exempts some views and never sees a 413 (body_limit.py).
    "X-Frame-Options": "DENY",
    # No other site can embed our responses, and our pages embed nothing of another site.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Permitted-Cross-Domain-Policies": "none",
}
NOT_KEPT = "no-store"
"""Pages and JSON name users and commands, so caches must not keep a response that does not set its own Cache-Control."""
BELOW_DJANGO = {
    **HEADERS,
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": NOT_KEPT,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""All headers of a refusal in words that does not pass through Django, which would add some of them."""

Respond = Callable[[HttpRequest], HttpResponseBase]
RespondLater = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def security_headers(get_response: Respond | RespondLater) -> Respond | RespondLater:
    """Django middleware: adds the headers to every response, including static files and errors."""
    if iscoroutinefunction(get_response):

        async def respond_later(request: HttpRequest) -> HttpResponseBase:
            return _with_headers(await get_response(request))

        return respond_later

    def respond(request: HttpRequest) -> HttpResponseBase:
        return _with_headers(cast("Respond", get_response)(request))

    return respond


def allow_as_image(response: HttpResponseBase) -> None:
    """Let pages of every site show this response as an image. They cannot read it."""
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def allow_frames(response: HttpResponseBase, origins: Sequence[str]) -> None:
    """Let pages of these origins embed this response in a frame. `origins`: as in GPU_MONITOR_FRAME_ANCESTORS."""
    if origins:
        allowed = CONTENT_SECURITY_POLICY.replace(_NO_FRAMES, f"frame-ancestors {' '.join(origins)}")
        response.headers["Content-Security-Policy"] = allowed


def _with_headers(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if _NO_FRAMES not in response.headers["Content-Security-Policy"]:
        del response.headers["X-Frame-Options"]  # it cannot name origins; browsers ignore it beside frame-ancestors
    response.headers.setdefault("Cache-Control", NOT_KEPT)
    return response
