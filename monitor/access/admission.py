"""Admits WebSockets by session, token, link or the proxy's user header, within limits, and ends them when that is invalid."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.http.cookie import parse_cookie
from django.utils import timezone

from monitor.access.backends import user_named
from monitor.access.identity import Identity, by_link, by_session, by_token, by_user
from monitor.access.link_paths import link_of
from monitor.access.middleware import bearer_of
from monitor.access.policy import Access
from monitor.access.rate_limits.rate_limiter import client_of
from monitor.access.responses import LOG_IN, UNAUTHORIZED
from monitor.access.session_watch import SessionWatch
from monitor.config.hosts import is_loopback
from monitor.http.asgi_types import Scope
from monitor.http.proxies import FORWARDED, remote_user
from monitor.live.admission import AdmittedSocket, Refusal

LOG_EVERY_SECONDS = 60.0
RETRY_SECONDS = 30
LOOKUP_THREADS = 4
"""For the database lookups of handshakes. Channels has one thread for all sockets, where the slowest lookup delays every other."""
log = logging.getLogger(__name__)


Given = ParamSpec("Given")
Found = TypeVar("Found")


class Caps(NamedTuple):
    """How many sockets may be open at once."""

    total: int
    per_address: int


class CountedSocket(AdmittedSocket):
    """A socket that counts toward the limits, and is watched if it belongs to a user or a link."""

    def __init__(
        self,
        client: str,
        identity: Identity | None,
        *,
        sees_details: bool = True,
        sees_commands: bool = False,
        link: str = "",
    ) -> None:
        sees_commands = sees_commands or (identity is not None and identity.sees_commands)
        super().__init__(sees_details=sees_details, sees_commands=sees_commands, link=link)
        self.client = client
        self.identity = identity


class SocketAdmission:
    """Used in the event loop of the server."""

    def __init__(
        self, rule: Callable[[], Access], caps: Caps, watch: SessionWatch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rule = rule
        self._caps = caps
        self._watch = watch
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._logged_at: float | None = None
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="admission")

    async def admit(self, scope: Scope, *, accepts_tokens: bool) -> AdmittedSocket | Refusal:
        """Accept or refuse a handshake. It counts from before the database lookup, so that lookups are limited too."""
        address = _address_of(scope)
        client = client_of(address)
        if (refusal := self.too_many(scope)) is not None:
            return refusal
        self._open[client] += 1
        socket: CountedSocket | Refusal | None = None
        try:
            socket = await self._identify(scope, address, client, accepts_tokens=accepts_tokens)
        except DatabaseError as error:
            return Refusal(503, f"The database is unavailable, so users cannot be identified: {error}")
        finally:
            if not isinstance(socket, CountedSocket):
                self._forget(client)
        if isinstance(socket, CountedSocket) and socket.identity is not None:
            self._watch.add(socket.identity, socket)
        return socket

    def release(self, socket: AdmittedSocket) -> None:
        """The socket is closed."""
        if not isinstance(socket, CountedSocket):
            raise TypeError(f"{socket!r} was not admitted here")
        self._forget(socket.client)
        if socket.identity is not None:
            self._watch.remove(socket.identity, socket)

    def _forget(self, client: str) -> None:
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]

    def too_many(self, scope: Scope) -> Refusal | None:
        """The refusal of one more socket, if a limit is reached.

        For loopback only the total counts: a proxy that is not trusted sends every client's handshake from there.
        """
        address = _address_of(scope)
        client = client_of(address)
        if self._open.total() >= self._caps.total:
            reached = f"{self._caps.total} sockets are open, the limit of GPU_MONITOR_MAX_SOCKETS"
        elif not is_loopback(address) and self._open[client] >= self._caps.per_address:
            reached = (
                f"{client} has {self._open[client]} open sockets, the limit of GPU_MONITOR_MAX_SOCKETS_PER_ADDRESS"
            )
        else:
            return None
        if self._logged_at is None or self._clock() - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = self._clock()
            log.warning("refusing sockets: %s", reached)
        return Refusal(429, f"Too many: {reached}.", ((b"retry-after", str(RETRY_SECONDS).encode()),))

    async def _identify(
        self, scope: Scope, address: str, client: str, *, accepts_tokens: bool
    ) -> CountedSocket | Refusal:
        if (link := link_of(scope)) is not None:
            if accepts_tokens:
                return Refusal(403, "A read-only link opens pages. A program needs an API token.")
            opened = await self._look_up(by_link, link.key, timezone.now())
            if isinstance(opened, str):
                return Refusal(410, opened)
            return CountedSocket(client, opened, sees_details=False, link=link.token)
        rule = self._rule()
        if accepts_tokens and (secret := bearer_of(_header(scope, b"authorization"))) is not None:
            found = await self._look_up(by_token, secret, "read", timezone.now())
            if isinstance(found, str):
                return _unauthorized(found)
            return CountedSocket(client, found)
        if name := remote_user(scope):
            user = await self._look_up(user_named, name, may_create=False)
            if user is None:  # creating one is a write, which may wait: not in a thread that others need
                user = await database_sync_to_async(user_named)(name)
            if user is not None:
                return CountedSocket(client, await self._look_up(by_user, user))
        has_to_log_in = rule.asks_login_of(address, was_forwarded=bool(scope.get(FORWARDED)))
        if not has_to_log_in and rule.shows_details and rule.shows_commands:
            return CountedSocket(client, None, sees_commands=True)
        if session_key := parse_cookie(_header(scope, b"cookie")).get(settings.SESSION_COOKIE_NAME):
            identity = await self._look_up(by_session, session_key)
            if identity is not None:
                return CountedSocket(client, identity)
        if has_to_log_in:
            return _unauthorized(LOG_IN)
        return CountedSocket(client, None, sees_details=rule.shows_details)

    async def _look_up(self, find: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs) -> Found:
        """Call `find`, which only reads, in one of the threads for lookups."""
        in_thread = database_sync_to_async(find, thread_sensitive=False, executor=self._lookups)
        found: Found = await in_thread(*args, **kwargs)
        return found


def _unauthorized(reason: str) -> Refusal:
    return Refusal(401, reason, ((b"www-authenticate", UNAUTHORIZED.encode()),))


def _address_of(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client and client[0] else ""


def _header(scope: Scope, name: bytes) -> str:
    return b"; ".join(value for key, value in scope["headers"] if key == name).decode("latin-1")
