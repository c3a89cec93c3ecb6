"""A limit on what one address may ask of the API and of the pages that take passwords: 429, with when to come again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from monitor.access.policy import is_loopback
from monitor.access.rate_limiter import Rate, client_of
from monitor.access.responses import json_error
from monitor.access.visitor import address_of

Respond = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
LOGINS_PER_MINUTE = 30
"""Forms with passwords that one address may send a minute, right or wrong: each costs a slow hash."""
_WITH_PASSWORDS = ("/login", "/setup/", "/account/password", "/admin/")


class Limits:
    """The limits of one server."""

    def __init__(self, *, api_per_minute: int) -> None:
        # Ten seconds' worth at once: programs ask in bursts.
        self.api = Rate(per_minute=api_per_minute, at_once=max(10, api_per_minute / 6))
        self.logins = Rate(per_minute=LOGINS_PER_MINUTE, at_once=LOGINS_PER_MINUTE)

    def wait_seconds(self, request: HttpRequest) -> int:
        """0, or how long this one has to wait. This machine itself has no limit: nobody is kept out by it."""
        address = address_of(request)
        if is_loopback(address):
            return 0
        if request.path_info.startswith("/api/"):
            return self.api.take(client_of(address))
        if request.method == "POST" and request.path_info.startswith(_WITH_PASSWORDS):
            return self.logins.take(client_of(address))
        return 0


@async_only_middleware
def rate_limits(get_response: Respond) -> Respond:
    """The middleware that asks them. Stands first, before anything that costs."""

    limits = Limits(api_per_minute=settings.GPU_MONITOR.api_requests_per_minute)

    async def limited(request: HttpRequest) -> HttpResponseBase:
        if wait := limits.wait_seconds(request):
            answer = json_error(429, f"Too many requests from this address: retry in {wait} s.")
            answer.headers["Retry-After"] = str(wait)
            return answer
        return await get_response(request)

    return limited
