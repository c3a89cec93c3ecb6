"""Handlers for errors outside of views: JSON under /api/, pages elsewhere."""

from __future__ import annotations

import sys

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views import defaults

from monitor.access.responses import json_error
from monitor.web.database_errors import UNAVAILABLE, unavailable


def _is_api(request: HttpRequest) -> bool:
    return f"{request.path_info}/".startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400 or 413: an unknown host name, too many parameters, a request that is too large."""
    is_too_large = isinstance(exception, RequestDataTooBig)
    if not _is_api(request):
        page = defaults.bad_request(request, exception)
        page.status_code = 413 if is_too_large else 400
        return page
    if is_too_large:
        return json_error(413, "The request is too large.")
    if isinstance(exception, DisallowedHost):
        return json_error(400, "Unknown host name; see GPU_MONITOR_ALLOWED_HOSTS.")
    return json_error(400, f"Bad request: {exception}")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return json_error(404, f"Unknown endpoint {request.path} (see docs/api.md).")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500; 503 if a middleware could not use the database, for example to save a session."""
    if isinstance(error := sys.exception(), UNAVAILABLE):
        return unavailable(request, error)
    if not _is_api(request):
        return defaults.server_error(request)
    return json_error(500, "Internal server error; see the server log.")
