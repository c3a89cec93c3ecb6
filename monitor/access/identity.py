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

from monitor.access import tokens, view_links
from monitor.access.last_use import last_use
from monitor.access.policy import may_view_commands
from monitor.access.refusal import Refused
from monitor.models import ApiToken, ViewLink


class Identity(NamedTuple):
    """A session, a token, a read-only link, or, with none of them, a proxy's header."""

    user_id: int | None
    """None: a link, which belongs to no visitor."""
    session_key: str = ""
    session_hash: str = ""
    """Django's hash of the password at the start of the session."""
    token_id: int | None = None
    link_id: int | None = None
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
    found = tokens.find(secret, now)
    if isinstance(found, str):
        return tokens.WORDS[found]
    if (lacking := tokens.lacks_scope(found, scope)) is not None:
        return lacking
    last_use().used(found, now)
    return Identity(found.owner_id, token_id=found.pk, sees_commands=tokens.sees_commands(found))


def by_link(key: str, now: datetime) -> Identity | str:
    """The identity of a read-only link, or why it is refused."""
    found = view_links.find(key, now)
    if isinstance(found, str):
        return view_links.WORDS[found]
    last_use().used(found, now)
    return Identity(None, link_id=found.pk)


def ended(identities: Collection[Identity], now: datetime) -> dict[Identity, str]:
    """The identities that are no longer valid, each with the reason. At most four queries, however many there are, and up to
    two more for each user who sees command lines and is no superuser. An open socket counts as use of its link.
    """
    keys = {identity.session_key for identity in identities if identity.session_key}
    alive = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=now).values_list("session_key", flat=True)
        if keys
        else ()
    )
    token_ids = {identity.token_id for identity in identities if identity.token_id is not None}
    known_tokens = ApiToken.objects.select_related("owner").in_bulk(token_ids) if token_ids else {}
    link_ids = {identity.link_id for identity in identities if identity.link_id is not None}
    known_links = ViewLink.objects.select_related("created_by").in_bulk(link_ids) if link_ids else {}
    user_ids = {identity.user_id for identity in identities if identity.user_id is not None}
    users = get_user_model()._default_manager.in_bulk(user_ids) if user_ids else {}

    def reason(identity: Identity) -> str | None:
        if identity.link_id is not None:
            return _over(known_links.get(identity.link_id), now)
        user = None if identity.user_id is None else users.get(identity.user_id)
        if user is None or not user.is_active:
            return "the account is disabled"
        if identity.sees_commands and not may_view_commands(user):
            return "the permission to view command lines was withdrawn"
        if identity.token_id is not None:
            token = known_tokens.get(identity.token_id)
            refused: Refused | None = "unknown" if token is None else tokens.why_not(token, now)
            return None if refused is None else tokens.WORDS[refused]
        if not identity.session_key:
            return None
        if identity.session_key not in alive:
            return "logged out"
        return None if identity.session_hash == user.get_session_auth_hash() else "the password was changed"

    reasons = {identity: reason(identity) for identity in identities}
    return {identity: words for identity, words in reasons.items() if words is not None}


def _over(link: ViewLink | None, now: datetime) -> str | None:
    if link is None:
        return view_links.WORDS["unknown"]
    if (refused := view_links.why_not(link, now)) is not None:
        return view_links.WORDS[refused]
    last_use().used(link, now)
    return None
