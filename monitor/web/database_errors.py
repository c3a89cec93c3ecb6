"""The response when the database is full, locked, missing or otherwise unavailable: 503 in words, and one line in the log."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from monitor.access.responses import json_error
from monitor.database.engine import engine_of
from monitor.http.program_paths import is_for_programs
from monitor.http.request_id import shown_path

log = logging.getLogger(__name__)

UNAVAILABLE = (OperationalError, InterfaceError)
"""What Django raises when a database cannot be used. Other database errors are errors of the program."""


class DatabaseErrors:
    """Answers for views that let such an error pass. Pages that work without the database handle it themselves."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return await self._get_response(request)

    async def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """None for other exceptions."""
        return await sync_to_async(unavailable)(request, error) if isinstance(error, UNAVAILABLE) else None


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """503, as JSON for programs. Where the database is, is only in the log."""
    log.error("%s %s failed: %s", request.method, shown_path(request.path), engine_of(connection).explain(error))
    if is_for_programs(request.path_info):
        return json_error(503, f"The database is not responding: {error}")
    return render(request, "503.html", status=503)
