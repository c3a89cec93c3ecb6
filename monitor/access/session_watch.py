"""Ends sockets whose session or token holds no longer: one look for all, every few seconds and when something has changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection

from channels.db import database_sync_to_async
from django.db import DatabaseError

from monitor.access.identity import Identity
from monitor.live.admission import Guest

EVERY_SECONDS = 3.0
log = logging.getLogger(__name__)


class Watch:
    """Used in one event loop, but for `wake`."""

    def __init__(
        self, look: Callable[[Collection[Identity]], dict[Identity, str]], *, every_seconds: float = EVERY_SECONDS
    ) -> None:
        """`look` says which hold no longer, and why; it runs in a thread."""
        self._look = look
        self._every_seconds = every_seconds
        self._watched: dict[Identity, set[Guest]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_silent = False

    def add(self, identity: Identity, guest: Guest) -> None:
        """End this guest once the identity holds no longer."""
        self._watched.setdefault(identity, set()).add(guest)
        if self._looking is None:
            self._loop = asyncio.get_running_loop()
            self._woken = asyncio.Event()
            self._looking = self._loop.create_task(self._run(self._woken))

    def remove(self, identity: Identity, guest: Guest) -> None:
        """This guest is gone. With the last one the looking ends."""
        guests = self._watched.get(identity, set())
        guests.discard(guest)
        if not guests:
            self._watched.pop(identity, None)
        if not self._watched and self._looking is not None:
            self._looking.cancel()
            self._looking = self._loop = None

    def wake(self) -> None:
        """Something has changed: look at once. From any thread."""
        loop, woken = self._loop, self._woken
        if loop is not None and woken is not None and not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    async def _run(self, woken: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):  # nothing was told: the next look is due all the same
                await asyncio.wait_for(woken.wait(), self._every_seconds)
            woken.clear()
            await self._look_once()

    async def _look_once(self) -> None:
        try:
            over = await database_sync_to_async(self._look)(tuple(self._watched))
        except Exception as error:
            # Nobody is thrown out by a database that is away: nobody can log in then, either. And whatever else it is, the
            # next look is due: without one every socket would stay open for good.
            if not self._is_silent:
                is_a_fault = not isinstance(error, DatabaseError)
                log.warning("whether open sockets may stay cannot be known now: %s", error, exc_info=is_a_fault)
            self._is_silent = True
            return
        self._is_silent = False
        for identity, reason in over.items():
            for guest in self._watched.get(identity, ()):
                guest.end(reason)
