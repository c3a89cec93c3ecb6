"""The stage that keeps PostgreSQL's lock for this server, and notices when the database does not answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError

from monitor.database.engine import ServerLock, server_lock
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0


class DatabaseWatch:
    """Looks in a thread of its own, because a server can hang."""

    name = "database"

    def __init__(
        self,
        lock: Callable[[], ServerLock | None] = server_lock,
        *,
        when_locked: Callable[[], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`lock`: called in the thread. `when_locked`: of several processes that share the database, one gets the lock, and this
        is called there; None: the process got it before it started.
        """
        self._lock = lock
        self._when_locked = when_locked
        self._poll_seconds = poll_seconds
        self._problem: str | None = None
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """The database does not depend on readings."""

    def stop(self, seconds: float = 1.0) -> None:
        """The lock itself is released when the process ends: other stages still write."""
        self._is_stopping.set()
        self._thread.join(seconds)

    @property
    def problem(self) -> str | None:
        return self._problem

    def look(self) -> None:
        """Check the lock now, or try to get it."""
        lock = self._lock()
        if lock is None or self._when_locked is None:
            self._problem = None if lock is None else lock.check()
            return
        try:
            is_locked = lock.try_acquire()
        except DatabaseError as error:
            self._problem = str(error)
            return
        self._problem = None
        if is_locked:
            log.info("this process judges and records the host it runs on; the other processes of the hub do not")
            self._when_locked()
            self._when_locked = None

    def _run(self) -> None:
        if self._when_locked is not None:
            self.look()
        while not self._is_stopping.wait(self._poll_seconds):
            self.look()
