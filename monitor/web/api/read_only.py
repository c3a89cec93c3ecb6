"""The decorator of views that programs read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from monitor.access.middleware import takes_token
from monitor.access.responses import json_error

View = TypeVar("View", bound=Callable[..., Coroutine[Any, Any, HttpResponse]])


def read_only(scope: str) -> Callable[[View], View]:
    """Allow GET and HEAD, also with a token of this scope; answer any other method with 405 in JSON.

    The view is exempt from the CSRF check, which would answer 403 first, with a page.
    """

    def decorate(view: View) -> View:
        @takes_token(scope)
        @csrf_exempt
        @functools.wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method in ("GET", "HEAD"):
                return await view(request, *args, **kwargs)
            refusal = json_error(405, f"{request.path} is read-only: use GET.")
            refusal.headers["Allow"] = "GET, HEAD"
            return refusal

        return cast("View", guarded)

    return decorate
