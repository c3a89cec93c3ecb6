"""Why a token or a read-only link is refused: both can be revoked, expire, and end with the account that they belong to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.contrib.auth.models import AbstractBaseUser

from monitor.models import ApiToken, ViewLink

Refused = Literal["unknown", "revoked", "expired", "disabled"]
"""disabled: the account is."""


def refusal_of(row: ApiToken | ViewLink, account: AbstractBaseUser | None, now: datetime) -> Refused | None:
    """Why this known one is refused, if it is. `account`: None, if it belongs to none."""
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return "disabled" if account is not None and not account.is_active else None
