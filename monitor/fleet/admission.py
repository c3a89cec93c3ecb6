"""Checks agents in the database, for the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, admit


class _Lookups:
    """A thread of its own: after a restart, hundreds of agents must not delay the pages. Those that wait for each other share its
    connection, because to open one takes PostgreSQL ten times as long as to look up an agent.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agents")
        self._lock = threading.Lock()
        self._waiting = 0

    async def admit(self, hello: Hello, key: str | None, connected: Collection[str]) -> Admitted | Refused:
        self._count(1)
        run = contextvars.copy_context().run  # for the log
        job = self._thread.submit(run, self._admit, hello, key, connected, timezone.now())
        job.add_done_callback(self._count_cancelled)
        return await asyncio.wrap_future(job)

    def _admit(self, hello: Hello, key: str | None, connected: Collection[str], now: datetime) -> Admitted | Refused:
        self._count(-1)
        is_last = True
        try:
            admitted = admit(hello, key, connected, now)
            is_last = self._waiting == 0
            return admitted
        finally:
            if is_last:  # also after an error: the connection may be broken
                connection.close()

    def _count_cancelled(self, job: Future[Admitted | Refused]) -> None:
        if job.cancelled():  # its socket was closed before its turn
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._waiting += change


_lookups = _Lookups()


async def admit_agent(hello: Hello, key: str | None, connected: Collection[str]) -> Admitted | Refused:
    """As `registry.admit`; a database that does not answer is a refusal too."""
    try:
        return await _lookups.admit(hello, key, connected)
    except (DatabaseError, InterfaceError) as error:
        return Refused(code="database", text=f"The hub's database is unavailable, so agents cannot be checked: {error}")
