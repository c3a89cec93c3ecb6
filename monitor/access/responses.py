"""JSON responses of the API: data, or an error with its reason and, for programs, the authentication challenge."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpResponse

UNAUTHORIZED = 'Bearer realm="gpumon"'
"""For WWW-Authenticate (RFC 6750, 3)."""
LOG_IN = "Log in, or send a token: `Authorization: Bearer gpumon_…`."


def json_response(content: Any, status: int = 200) -> HttpResponse:
    """A struct or plain data as JSON."""
    return HttpResponse(msgspec.json.encode(content), content_type="application/json", status=status)


def json_error(status: int, reason: str, challenge: str | None = None) -> HttpResponse:
    """`{"error": …}`: what is wrong and how to fix it. `challenge` is for WWW-Authenticate."""
    response = json_response({"error": reason}, status=status)
    if challenge is not None:
        response.headers["WWW-Authenticate"] = challenge
    return response
