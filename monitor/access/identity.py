"""The identity that admitted an open socket, and whether it is still valid, checked for all sockets together."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils.crypto import constant_time_compare

from monitor.access.last_use import last_use
from monitor.access.policy import may_view_commands
from monitor.access.tokens import WORDS, Refused, find, lacks_scope, sees_commands, why_not
from monitor.models import ApiToken


class Identity(NamedTuple):
    """A session, a token, or, with neither, a proxy's header."""

    user_id: int
    session_key: str = ""
    session_hash: str = ""
    """Django's hash of the password at the start of the session."""
    token_id: int | None = None
    sees_commands: bool = False
    """Had the permission to see command lines when the socket was opened."""


def by_user(user: AbstractBaseUser) -> Identity:
    """The identity of a user whom a proxy has authenticated."""
    return Identity(user.pk, sees_commands=may_view_commands(user))


def by_session(session_key: str) -> Identity | None:
    """The identity logged in by this session; None if it is not logged in.

    As Django's `get_user`, which also deletes a session whose password has changed: that is a write, and a handshake only reads.
    """
    session = SessionStore(session_key).load()
    backend = session.get(BACKEND_SESSION_KEY, "")
    if backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(backend).get_user(session[SESSION_KEY])
    if not isinstance(user, AbstractBaseUser):
        return None
    if not constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    return Identity(user.pk, session_key, user.get_session_auth_hash(), sees_commands=may_view_commands(user))


def by_token(secret: str, scope: str, now: datetime) -> Identity | str:
    """The identity of a token, or why it is refused."""
    found = find(secret, now)
    if isinstance(found, str):
        return WORDS[found]
    if (lacking := lacks_scope(found, scope)) is not None:
        return lacking
    last_use().token_used(found, now)
    return Identity(found.owner_id, token_id=found.pk, sees_commands=sees_commands(found))


def ended(identities: Collection[Identity], now: datetime) -> dict[Identity, str]:
    """The identities that are no longer valid, each with the reason. Three queries, however many there are, and up to
    two more for each user who sees command lines and is no superuser.
    """
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
        if identity.sees_commands and not may_view_commands(user):
            return "the permission to view command lines was withdrawn"
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
