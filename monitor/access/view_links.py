"""Read-only links: creating them, their signed addresses, and finding them by what a request's path contains."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.core import signing

from monitor.access.refusal import Refused, refusal_of
from monitor.models import ViewLink

LONGEST_DAYS = 366
"""A link always expires."""
_SIGNER = signing.Signer(sep=".", salt="monitor.view_link")

WORDS: dict[Refused, str] = {
    "unknown": "The link no longer exists.",
    "revoked": "The link has been revoked.",
    "expired": "The link has expired.",
    "disabled": "The account of the link's creator is disabled.",
}


def make(*, name: str, created_by: AbstractBaseUser | None, expires_at: datetime) -> ViewLink:
    """Create and save a link. `created_by` None: on the command line."""
    return ViewLink.objects.create(
        name=name,
        created_by=created_by,  # type: ignore[misc]  # whatever the user model is
        key=secrets.token_urlsafe(16),
        expires_at=expires_at,
    )


def path_of(link: ViewLink) -> str:
    """The path of its address, below the base path."""
    return f"/view/{_SIGNER.sign(link.key)}/"


def key_in(token: str) -> str | None:
    """The key of the link with this token, the part of its path that identifies it; None if the signature is wrong."""
    try:
        return _SIGNER.unsign(token)
    except signing.BadSignature:
        return None


def find(key: str, now: datetime) -> ViewLink | Refused:
    """The link with this key, or why it is refused."""
    link = ViewLink.objects.select_related("created_by").filter(key=key).first()
    return "unknown" if link is None else why_not(link, now) or link


def why_not(link: ViewLink, now: datetime) -> Refused | None:
    """Why this known link is refused, if it is."""
    return refusal_of(link, link.created_by, now)
