"""The interface of gpumon's two database engines, beyond Django's own."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.connection import ConnectionProxy

LockPurpose = Literal["server", "migration"]
"""Each has a lock of its own."""


class DatabaseTaken(Exception):
    """Another server uses the database; the text says which."""


WAIT_SECONDS = 30.0
"""During a restart the old server can still be shutting down, or one started a moment earlier can be migrating the database."""


class ServerLock(Protocol):
    """Keeps other servers away from a database that other hosts can reach. Used from any thread."""

    def acquire(self, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Wait for another server to exit. Raises DatabaseTaken if it does not in time."""

    def check(self) -> str | None:
        """Take the lock again if it was lost. Returns what is wrong, without the database's address, or None."""

    def release(self) -> None:
        """End the lock."""


class Engine(Protocol):
    """One thread's connection to a database."""

    def explain(self, error: Exception) -> str:
        """Why the database cannot be used, where it is, and how to fix it, in one sentence for the log."""

    def limit_waits(self, seconds: float) -> None:
        """How long to wait for other programs' locks, and for a server's answers, until this connection is closed."""

    def without_limits(self) -> AbstractContextManager[None]:
        """For migrations, which can take long."""

    def data_version(self) -> object:
        """Differs after any change to the data, by this connection or another; None if the engine cannot say.

        Not in a transaction, where other connections' changes do not show. Raises Django's database errors.
        """

    def lost(self) -> str | None:
        """What to say if there was a database and it is missing or empty now, else None. Raises Django's database errors."""

    def note_initialized(self) -> None:
        """Remember that there is a database. Call it after the first migration. Raises OSError."""

    def new_server_lock(self, purpose: LockPurpose = "server") -> ServerLock | None:
        """None if the lock on the data folder is enough."""

    def prepare(self) -> None:
        """Set what belongs to the database and not to a connection. Raises Django's and SQLite's errors, and OSError."""


def engine_of(database: BaseDatabaseWrapper | ConnectionProxy[Any]) -> Engine:
    """The engine of a connection, such as `django.db.connection`. Every engine in settings.DATABASES is one of ours."""
    return cast("Engine", database)


@functools.cache
def server_lock() -> ServerLock | None:
    """The one of this process, for the default database."""
    return engine_of(connections[DEFAULT_DB_ALIAS]).new_server_lock()
