"""Cross-origin resource sharing: lets pages of the origins in GPU_MONITOR_CORS_ORIGINS read the API (https://fetch.spec.whatwg.org).

Cookies are never accepted from there: such a page reads what anonymous viewers may see, or sends a token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import async_only_middleware

from monitor.http.authority import origin_of
from monitor.http.origins import NamedOrigins

PREFLIGHT_SECONDS = 600
"""How long browsers remember the answer to a preflight."""
_READABLE_HEADERS = "Content-Disposition, Retry-After, WWW-Authenticate, X-Request-ID"
"""Those of a response that scripts can read besides the usual ones."""

Respond = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def cors(get_response: Respond) -> Respond:
    """Middleware before the login and the rate limits, so that a script can read their refusals too."""
    named = NamedOrigins(settings.GPU_MONITOR.cors_origins)

    async def shared(request: HttpRequest) -> HttpResponseBase:
        if not settings.GPU_MONITOR.cors_origins or not request.path_info.startswith("/api/"):
            return await get_response(request)
        sent = request.headers.get("Origin", "")
        origin = origin_of(sent)
        is_named = origin is not None and origin in named
        if is_named and request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response: HttpResponseBase = _answer_to_preflight()
        else:
            response = await get_response(request)
        patch_vary_headers(response, ["Origin"])
        if is_named:
            response.headers["Access-Control-Allow-Origin"] = sent
            response.headers["Access-Control-Expose-Headers"] = _READABLE_HEADERS
        return response

    return shared


def _answer_to_preflight() -> HttpResponse:
    """Browsers ask before they send a token. They send none with the question."""
    return HttpResponse(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD",
            "Access-Control-Allow-Headers": "Authorization",
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )
