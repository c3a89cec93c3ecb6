"""The viewer's time zone, in which pages show every time. The browser names it in a cookie (static/js/times.js); without the
cookie, times are in the server's zone.
"""

from __future__ import annotations

import contextlib
import zoneinfo
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

COOKIE = "gpumon_zone"


def zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    """The named zone; None if the cookie is missing or names none of the tz database."""
    name = request.COOKIES.get(COOKIE, "")
    return zoneinfo.ZoneInfo(name) if name in _KNOWN else None


_KNOWN = zoneinfo.available_timezones()
"""Checked before the name becomes a path."""


def _in(zone: zoneinfo.ZoneInfo | None) -> AbstractContextManager[object]:
    return contextlib.nullcontext() if zone is None else timezone.override(zone)


@sync_and_async_middleware
def viewer_zone(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Activate the viewer's zone while a response is made."""
    if iscoroutinefunction(get_response):
        get_async = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def in_zone(request: HttpRequest) -> HttpResponseBase:
            with _in(zone_of(request)):
                return await get_async(request)

        return in_zone

    def in_zone_sync(request: HttpRequest) -> HttpResponseBase:
        with _in(zone_of(request)):
            response: HttpResponseBase = get_response(request)
            return response

    return in_zone_sync
