"""The stage that keeps PostgreSQL's lock for this server, and notices when the database does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

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
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`lock`: called in the thread."""
        self._lock = lock
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
        """Check the lock now."""
        lock = self._lock()
        self._problem = None if lock is None else lock.check()

    def _run(self) -> None:
        while not self._is_stopping.wait(self._poll_seconds):
            self.look()
