"""The stage that keeps PostgreSQL's lock for this server, and notices when the database does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import DatabaseError

from monitor.database.engine import ServerLock, server_lock
from monitor.telemetry.schema import Snapshot

POLL_SECONDS = 5.0


class DatabaseWatch:
    """Looks in a thread of its own, because a server can hang."""

    name = "database"

    def __init__(
        self,
        lock: Callable[[], ServerLock | None] = server_lock,
        *,
        when_locked: Callable[[], None] | None = None,
        when_lost: Callable[[], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`lock`: called in the thread. `when_locked`: called when this process gets the lock, which another one may have; None: it
        got the lock before it started. `when_lost`: called when another process has it.
        """
        self._lock = lock
        self._when_locked, self._when_lost = when_locked, when_lost
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
            if lock is not None and lock.is_taken and self._when_lost is not None:
                self._when_lost()
            return
        try:
            if lock.try_acquire():
                lock.take_over()
                self._when_locked()
                self._when_locked = None
        except DatabaseError as error:
            self._problem = str(error)
        else:
            self._problem = None

    def _run(self) -> None:
        if self._when_locked is not None:
            self.look()
        while not self._is_stopping.wait(self._poll_seconds):
            self.look()
