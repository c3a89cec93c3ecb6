"""API tokens: creating them, and finding them by their hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser

from monitor.access.policy import may_view_commands
from monitor.access.refusal import Refused, refusal_of
from monitor.models import ApiToken

SCOPES = {
    "read": "Read snapshots, alerts, current settings, the schema and the live feed",
    "commands": "Read full command lines as well, if the owner can",
    "metrics": "Scrape /metrics",
    "acknowledge": "Acknowledge alerts, if the owner can",
}
PREFIX = "gpumon_"
_SHOWN = len(PREFIX) + 6
_LONGEST = 200

WORDS: dict[Refused, str] = {
    "unknown": "The token is not known.",
    "revoked": "The token has been revoked.",
    "expired": "The token has expired.",
    "disabled": "The token's owner is disabled.",
}


class Made(NamedTuple):
    """A new token."""

    token: ApiToken
    secret: str
    """Only available now, to be shown once."""


def make(*, owner: AbstractBaseUser, name: str, scopes: Sequence[str], expires_at: datetime | None = None) -> Made:
    """Create and save a token. `scopes` are names of SCOPES; `expires_at` None: never."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        owner=owner,  # type: ignore[misc]  # whatever the user model is
        name=name,
        prefix=secret[:_SHOWN],
        digest=digest_of(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=expires_at,
    )
    return Made(token, secret)


def digest_of(secret: str) -> str:
    """The hash of a secret, which is stored in its place."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find(secret: str, now: datetime) -> ApiToken | Refused:
    """The token with this secret, with its owner, or why it is refused.

    It is found by its hash: the time that takes reveals nothing about secrets, because hashes cannot be chosen.
    """
    if not secret.startswith(PREFIX) or len(secret) > _LONGEST:
        return "unknown"
    digest = digest_of(secret)
    token = ApiToken.objects.select_related("owner").filter(digest=digest).first()
    if token is None or not secrets.compare_digest(token.digest, digest):
        return "unknown"
    return why_not(token, now) or token


def why_not(token: ApiToken, now: datetime) -> Refused | None:
    """Why this known token is refused, if it is."""
    return refusal_of(token, token.owner, now)


def sees_commands(token: ApiToken) -> bool:
    """Whether this valid token may read command lines. Queries the database."""
    return "commands" in token.scopes and may_view_commands(token.owner)


def lacks_scope(token: ApiToken, scope: str) -> str | None:
    """The error for a valid token without this scope; None if it has it."""
    if scope in token.scopes:
        return None
    return f"This requires a token with the scope {scope!r}; this one has {token.scopes}."
