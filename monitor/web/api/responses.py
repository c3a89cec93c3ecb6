"""What the JSON API answers with: data, or what is wrong, both as JSON, and methods that are refused as JSON too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from monitor.access.middleware import takes_token

View = TypeVar("View", bound=Callable[..., Coroutine[Any, Any, HttpResponse]])


def json_response(content: Any, status: int = 200) -> HttpResponse:
    """Any struct or plain data as JSON."""
    return HttpResponse(msgspec.json.encode(content), content_type="application/json", status=status)


def json_error(status: int, message: str) -> HttpResponse:
    """What is wrong and how to mend it, as `{"error": …}`."""
    return json_response({"error": message}, status=status)


def json_read_only(view: View) -> View:
    """GET and HEAD only; any other method is answered 405.

    Exempt from the CSRF check, which there is no use for: it would answer 403 first, and as a page. Programs may ask with a
    token that may read.
    """

    @takes_token("read")
    @csrf_exempt
    @functools.wraps(view)
    async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return await view(request, *args, **kwargs)
        refusal = json_error(405, f"{request.path} can only be read: use GET.")
        refusal.headers["Allow"] = "GET, HEAD"
        return refusal

    return cast("View", guarded)
