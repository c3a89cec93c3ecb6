"""Handlers for errors outside of views: JSON for programs, pages elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import async_only_middleware
from django.views import defaults

from monitor.access.responses import json_error
from monitor.http.csrf import answer_to_expired_form, is_of_foreign_origin
from monitor.http.hosts import HEALTH, HOST, SENT_HOST
from monitor.http.program_paths import is_for_programs
from monitor.web.database_errors import UNAVAILABLE, unavailable

Respond = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def unknown_hosts(get_response: Respond) -> Respond:
    """Middleware that refuses requests under an unknown host name with 400, except for health."""

    async def checked(request: HttpRequest) -> HttpResponseBase:
        scope = getattr(request, "scope", {})
        if SENT_HOST not in scope or HOST in scope or request.path_info == HEALTH:
            return await get_response(request)
        if is_for_programs(request.path_info):
            return logged_already(json_error(400, "Unknown host name; see GPU_MONITOR_ALLOWED_HOSTS."))
        context = {"host": scope[SENT_HOST], "is_unknown_host": True}
        return logged_already(render(request, "400.html", context, status=400))

    return checked


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400 or 413: too many parameters, a request that is too large."""
    is_too_large = isinstance(exception, RequestDataTooBig)
    status = 413 if is_too_large else 400
    reason = "The request is too large." if is_too_large else f"Bad request: {exception}"
    if is_for_programs(request.path_info):
        return json_error(status, reason)
    return render(request, "400.html", {"reason": reason}, status=status)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """403: a form of another site, or one whose token is old. `reason`: Django's."""
    is_foreign = is_of_foreign_origin(reason)
    if not is_foreign and (answer := answer_to_expired_form(request)) is not None:
        return answer
    context = {"is_foreign": is_foreign, "origin": request.headers.get("Origin", "")}
    response = render(request, "403_csrf.html", context, status=403)
    return logged_already(response) if is_foreign else response


def logged_already(response: HttpResponse) -> HttpResponse:
    """Keeps Django from logging a refusal each time that monitor/http has logged once."""
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own way to say so
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not is_for_programs(request.path_info):
        return defaults.page_not_found(request, exception)
    return json_error(404, f"Unknown endpoint {request.path} (see docs/api.md).")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500; 503 if a middleware could not use the database, for example to save a session."""
    if isinstance(error := sys.exception(), UNAVAILABLE):
        return unavailable(request, error)
    if not is_for_programs(request.path_info):
        return defaults.server_error(request)
    return json_error(500, "Internal server error; see the server log.")
