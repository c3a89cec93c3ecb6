"""The identity that admitted an open socket, and whether it is still valid, checked for all sockets together."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.models import Session
from django.http import HttpRequest

from monitor.access.tokens import WORDS, Refused, find, lacks_scope, why_not
from monitor.models import ApiToken


class Identity(NamedTuple):
    """A session, a token, or, with neither, a proxy's header."""

    user_id: int
    session_key: str = ""
    session_hash: str = ""
    """Django's hash of the password at the start of the session."""
    token_id: int | None = None


def by_session(session_key: str) -> Identity | None:
    """The identity logged in by this session; None if it is not logged in."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, AbstractBaseUser):
        return None
    return Identity(user.pk, session_key, user.get_session_auth_hash())


def by_token(secret: str, scope: str, now: datetime) -> Identity | str:
    """The identity of a token, or why it is refused."""
    found = find(secret, now)
    if isinstance(found, str):
        return WORDS[found]
    return lacks_scope(found, scope) or Identity(found.owner_id, token_id=found.pk)


def ended(identities: Collection[Identity], now: datetime) -> dict[Identity, str]:
    """The identities that are no longer valid, each with the reason. Three queries, however many there are."""
    keys = {identity.session_key for identity in identities if identity.session_key}
    ids = {identity.token_id for identity in identities if identity.token_id is not None}
    alive = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=now).values_list("session_key", flat=True)
        if keys
        else ()
    )
    tokens = ApiToken.objects.select_related("owner").in_bulk(ids) if ids else {}
    users = get_user_model()._default_manager.in_bulk({identity.user_id for identity in identities})

    def reason(identity: Identity) -> str | None:
        user = users.get(identity.user_id)
        if user is None or not user.is_active:
            return "the account is disabled"
        if identity.token_id is not None:
            token = tokens.get(identity.token_id)
            refused: Refused | None = "unknown" if token is None else why_not(token, now)
            return None if refused is None else WORDS[refused]
        if not identity.session_key:
            return None
        if identity.session_key not in alive:
            return "logged out"
        return None if identity.session_hash == user.get_session_auth_hash() else "the password was changed"

    reasons = {identity: reason(identity) for identity in identities}
    return {identity: words for identity, words in reasons.items() if words is not None}
