"""How the API refuses: JSON with the reason, and for programs the challenge that tells what would do."""

from __future__ import annotations

import msgspec
from django.http import HttpResponse

UNAUTHORIZED = 'Bearer realm="gpumon"'
"""For WWW-Authenticate (RFC 6750, 3)."""
LOG_IN = "Log in, or send a token: `Authorization: Bearer gpumon_…`."
"""Told to whoever is not known."""


def json_refusal(status: int, reason: str, challenge: str | None = None) -> HttpResponse:
    """`{"error": …}`, as every error of the API."""
    answer = HttpResponse(msgspec.json.encode({"error": reason}), content_type="application/json", status=status)
    if challenge is not None:
        answer.headers["WWW-Authenticate"] = challenge
    return answer
