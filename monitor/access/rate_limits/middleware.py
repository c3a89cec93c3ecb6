"""Middleware that refuses requests over the limit of their address with 429, and holds the server's Throttle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from monitor.access.rate_limits.throttle import Throttle
from monitor.access.responses import json_error
from monitor.access.visitor import address_of

Respond = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def throttle_of(request: HttpRequest) -> Throttle:
    """The limits of the server that received this request."""
    throttle: Throttle = request.throttle  # type: ignore[attr-defined]  # set by the middleware
    return throttle


@async_only_middleware
def rate_limits(get_response: Respond) -> Respond:
    """The first middleware, before any work is done for a request."""
    throttle = Throttle(api_per_minute=settings.GPU_MONITOR.api_requests_per_minute)

    async def limited(request: HttpRequest) -> HttpResponseBase:
        request.throttle = throttle  # type: ignore[attr-defined]
        if wait := throttle.wait_for_request(request.method or "", request.path_info, address_of(request)):
            answer = json_error(429, f"Too many requests from this address: retry in {wait} s.")
            answer.headers["Retry-After"] = str(wait)
            return answer
        return await get_response(request)

    return limited
