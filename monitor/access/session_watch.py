"""Ends sockets whose session, token or link is no longer valid: one query for all, every few seconds and after each change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from channels.db import database_sync_to_async
from django.db import DatabaseError

from monitor.access.identity import Identity
from monitor.live.admission import AdmittedSocket

EVERY_SECONDS = 3.0
log = logging.getLogger(__name__)


class SessionWatch:
    """Used in one event loop, except `wake`."""

    def __init__(
        self, find_ended: Callable[[Collection[Identity]], dict[Identity, str]], *, every_seconds: float = EVERY_SECONDS
    ) -> None:
        """`find_ended` returns the identities that are no longer valid, each with the reason. It runs in a thread of
        its own, so that it waits for no handshake.
        """
        self._find_ended = find_ended
        self._every_seconds = every_seconds
        self._checks = ThreadPoolExecutor(1, thread_name_prefix="session watch")
        self._watched: dict[Identity, set[AdmittedSocket]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_failed = False

    def add(self, identity: Identity, socket: AdmittedSocket) -> None:
        """End this socket when the identity is no longer valid."""
        self._watched.setdefault(identity, set()).add(socket)
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._woken = asyncio.Event()
            self._task = self._loop.create_task(self._run(self._woken))

    def remove(self, identity: Identity, socket: AdmittedSocket) -> None:
        """The socket is closed. After the last one, nothing is checked."""
        sockets = self._watched.get(identity, set())
        sockets.discard(socket)
        if not sockets:
            self._watched.pop(identity, None)
        if not self._watched and self._task is not None:
            self._task.cancel()
            self._task = self._loop = None

    def wake(self) -> None:
        """Check now, because something has changed. From any thread."""
        loop, woken = self._loop, self._woken
        if loop is not None and woken is not None and not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    async def _run(self, woken: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):  # nothing has changed: check anyway
                await asyncio.wait_for(woken.wait(), self._every_seconds)
            woken.clear()
            await self._check_once()

    async def _check_once(self) -> None:
        try:
            check = database_sync_to_async(self._find_ended, thread_sensitive=False, executor=self._checks)
            over = await check(tuple(self._watched))
        except Exception as error:
            # An unavailable database ends no sockets: no one could log in again. After any other error, checking continues too:
            # without them, sockets would stay open for ever.
            if not self._has_failed:
                is_a_fault = not isinstance(error, DatabaseError)
                log.warning("cannot check the sessions of open sockets: %s", error, exc_info=is_a_fault)
            self._has_failed = True
            return
        self._has_failed = False
        for identity, reason in over.items():
            for socket in self._watched.get(identity, ()):
                socket.end(reason)
