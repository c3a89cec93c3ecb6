"""Signatures by the Standard Webhooks specification (standardwebhooks.com), and their secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105  # the specification's prefix, no secret  # nosec
LEAST_KEY_BYTES, MOST_KEY_BYTES = 24, 64
"""Lengths of a key that the specification allows."""


def new_secret() -> str:
    """A random signing secret, in the form that administrators and receivers see."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key in a signing secret. Raises ValueError with the expected form, without the secret."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not LEAST_KEY_BYTES <= len(key) <= MOST_KEY_BYTES:
        raise ValueError(
            f"A signing secret is {SECRET_PREFIX} and {LEAST_KEY_BYTES} to {MOST_KEY_BYTES} random bytes in base64. "
            "Leave it empty to generate one."
        )
    return key


def signed_headers(secret: str, *, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of a webhook's request. Raises ValueError as key_of does."""
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "gpumon",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature. `timestamp` is Unix seconds. Raises ValueError as key_of does."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()
