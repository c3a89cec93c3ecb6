"""Signatures after the Standard Webhooks specification (standardwebhooks.com), and the secrets they are made with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

SECRET_PREFIX = "whsec_"  # noqa: S105  # the specification's prefix, no secret  # nosec
LEAST_KEY_BYTES, MOST_KEY_BYTES = 24, 64
"""Lengths of a key that the specification allows."""


def new_secret() -> str:
    """A signing secret, as it is shown to the administrator and given to the receiver."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key in a signing secret. Raises ValueError that says what a secret looks like (and never the secret)."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not LEAST_KEY_BYTES <= len(key) <= MOST_KEY_BYTES:
        raise ValueError(
            f"A signing secret is {SECRET_PREFIX} and {LEAST_KEY_BYTES} to {MOST_KEY_BYTES} random bytes in base64. "
            "Leave it empty to have one made."
        )
    return key


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature. `timestamp` is Unix seconds. Raises ValueError as key_of does."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()
