"""Lets sockets in: by session, token or the proxy's word, within the caps, and ends them when that holds no longer."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.http.cookie import parse_cookie
from django.utils import timezone

from monitor.access.backends import user_named
from monitor.access.identity import Identity, by_session, by_token
from monitor.access.middleware import bearer_of
from monitor.access.policy import Access, is_loopback
from monitor.access.rate_limiter import client_of
from monitor.access.responses import LOG_IN, UNAUTHORIZED
from monitor.access.session_watch import Watch
from monitor.http.proxies import FORWARDED, remote_user
from monitor.live.admission import Guest, Refusal, Scope

LOG_EVERY_SECONDS = 60.0
RETRY_SECONDS = 30
log = logging.getLogger(__name__)


class Caps(NamedTuple):
    """How many sockets may be open."""

    total: int
    per_address: int


class KnownGuest(Guest):
    """A guest who is counted and, if known by name, watched."""

    def __init__(self, client: str, identity: Identity | None, *, sees_details: bool) -> None:
        super().__init__(sees_details=sees_details)
        self.client = client
        self.identity = identity


class GuardedDoor:
    """Used in the event loop that serves."""

    def __init__(
        self, rule: Callable[[], Access], caps: Caps, watch: Watch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rule = rule
        self._caps = caps
        self._watch = watch
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._logged_at: float | None = None

    async def let_in(self, scope: Scope, *, takes_tokens: bool) -> Guest | Refusal:
        """Counts before it asks the database, so that no more are asked for than may come in."""
        address = _address_of(scope)
        client = client_of(address)
        if (refusal := self._too_many(address, client)) is not None:
            return refusal
        self._open[client] += 1
        guest: KnownGuest | Refusal | None = None
        try:
            guest = await self._recognise(scope, address, client, takes_tokens=takes_tokens)
        except DatabaseError as error:
            return Refusal(503, f"The database does not answer, so nobody can be recognised: {error}")
        finally:
            if not isinstance(guest, KnownGuest):
                self._forget(client)
        if isinstance(guest, KnownGuest) and guest.identity is not None:
            self._watch.add(guest.identity, guest)
        return guest

    def leave(self, guest: Guest) -> None:
        """The socket is closed."""
        if not isinstance(guest, KnownGuest):
            raise TypeError(f"{guest!r} was not let in here")
        self._forget(guest.client)
        if guest.identity is not None:
            self._watch.remove(guest.identity, guest)

    def _forget(self, client: str) -> None:
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]

    def _too_many(self, address: str, client: str) -> Refusal | None:
        """This machine itself is held to the total alone: a proxy that is not trusted asks for everybody from there."""
        if self._open.total() >= self._caps.total:
            told = f"{self._caps.total} sockets are open, which GPU_MONITOR_MAX_SOCKETS allows"
        elif not is_loopback(address) and self._open[client] >= self._caps.per_address:
            told = f"{client} has {self._open[client]} sockets, which GPU_MONITOR_MAX_SOCKETS_PER_ADDRESS allows"
        else:
            return None
        if self._logged_at is None or self._clock() - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = self._clock()
            log.warning("sockets are refused: %s", told)
        return Refusal(429, f"Too many: {told}.", ((b"retry-after", str(RETRY_SECONDS).encode()),))

    async def _recognise(self, scope: Scope, address: str, client: str, *, takes_tokens: bool) -> KnownGuest | Refusal:
        rule = self._rule()
        if takes_tokens and (secret := bearer_of(_header(scope, b"authorization"))) is not None:
            found = await database_sync_to_async(by_token)(secret, "read", timezone.now())
            if isinstance(found, str):
                return _unauthorized(found)
            return KnownGuest(client, found, sees_details=True)
        if name := remote_user(scope):
            user = await database_sync_to_async(user_named)(name)
            if user is not None:
                return KnownGuest(client, Identity(user.pk), sees_details=True)
        has_to_log_in = rule.asks_login_of(address, was_forwarded=bool(scope.get(FORWARDED)))
        if not has_to_log_in and rule.shows_details:
            return KnownGuest(client, None, sees_details=True)
        if session_key := parse_cookie(_header(scope, b"cookie")).get(settings.SESSION_COOKIE_NAME):
            identity = await database_sync_to_async(by_session)(session_key)
            if identity is not None:
                return KnownGuest(client, identity, sees_details=True)
        if has_to_log_in:
            return _unauthorized(LOG_IN)
        return KnownGuest(client, None, sees_details=rule.shows_details)


def _unauthorized(reason: str) -> Refusal:
    return Refusal(401, reason, ((b"www-authenticate", UNAUTHORIZED.encode()),))


def _address_of(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client and client[0] else ""


def _header(scope: Scope, name: bytes) -> str:
    return b"; ".join(value for key, value in scope["headers"] if key == name).decode("latin-1")
