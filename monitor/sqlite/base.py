"""Django's SQLite engine (settings.DATABASES), for a file that can be deleted or replaced while the server runs.

A connection keeps the file that it opened, even if that file is deleted: what it writes then is lost without an error. This
engine looks at the file's inode before each use outside a transaction and connects again if it is another file. It creates files
readable by their owner only, because they contain password hashes and channel secrets: SQLite itself would use the umask. (SQLite
gives the files next to a database the database's own mode.) It never creates a file where there was one before, unless settings
say IS_REPLACEABLE, as for the history.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3 import base
from django.db.migrations.recorder import MigrationRecorder

from monitor.database.engine import LockPurpose
from monitor.private_file import make_private, open_private
from monitor.sqlite.errors import explain
from monitor.sqlite.initialized import is_initialized, lost, set_initialized
from monitor.sqlite.journal import choose_journal


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection. Its file is `settings_dict["NAME"]`."""

    _identity: tuple[int, int] | None = None
    """Device and inode of the open file."""
    _wait_seconds: float | None = None
    """None: as in settings.DATABASES."""

    def explain(self, error: Exception) -> str:
        return explain(error, file_of(self), is_replaceable=self.is_replaceable)

    def limit_waits(self, seconds: float) -> None:
        """SQLite waits for locks only: there is no server."""
        if seconds == self._wait_seconds:
            return
        self._wait_seconds = seconds
        if self.connection is not None:
            self._apply_wait(self.connection, seconds)

    def close(self) -> None:
        super().close()
        self._wait_seconds = None

    def without_limits(self) -> AbstractContextManager[None]:
        """SQLite does not limit the time of a statement."""
        return contextlib.nullcontext()

    @property
    def is_replaceable(self) -> bool:
        """Whether a new database may begin where one was lost, as for stored history."""
        return bool(self.settings_dict.get("IS_REPLACEABLE"))

    def data_version(self) -> object:
        """`PRAGMA data_version` tells of other connections' changes only, and has a meaning within one connection only."""
        self.ensure_connection()
        with self.wrap_database_errors:
            (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        return self.connection, version, self.connection.total_changes

    def lost(self) -> str | None:
        file = file_of(self)
        if (
            self.is_replaceable
            or not is_initialized(file)
            or (file.exists() and MigrationRecorder(self).applied_migrations())
        ):
            return None
        return lost(file)

    def note_initialized(self) -> None:
        if not self.is_replaceable:
            set_initialized(file_of(self))

    def new_server_lock(self, purpose: LockPurpose = "server") -> None:
        """The file is in the data folder, which one server locks."""

    def prepare(self) -> None:
        """Choose the journal, which is part of the file."""
        self.close()
        choose_journal(file_of(self), shrinks=self.is_replaceable)

    def ensure_connection(self) -> None:
        """Connect, again if the file has been replaced. A transaction is not interrupted."""
        if self.connection is not None and not self.in_atomic_block and self._is_replaced():
            self.close()
        super().ensure_connection()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raises sqlite3.OperationalError, which Django wraps, if the file is missing or cannot be created."""
        if not self.is_in_memory_db():
            self._prepare(Path(conn_params["database"]))
        made = super().get_new_connection(conn_params)
        if self._wait_seconds is not None:
            self._apply_wait(made, self._wait_seconds)
        return made

    @staticmethod
    def _apply_wait(connection: Any, seconds: float) -> None:
        connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def _prepare(self, path: Path) -> None:
        try:
            if path.exists():
                make_private(path)
            elif is_initialized(path) and not self.is_replaceable:
                raise sqlite3.OperationalError(f"the database {path} is missing")
            else:
                os.close(open_private(path))
            self._identity = _identity_of(path)
        except OSError as error:
            raise sqlite3.OperationalError(f"{error.strerror}: {path}") from error

    def _is_replaced(self) -> bool:
        if self._identity is None:
            return False
        with contextlib.suppress(FileNotFoundError):
            return _identity_of(self.settings_dict["NAME"]) != self._identity
        return True


def file_of(database: BaseDatabaseWrapper) -> Path:
    """The file of a connection, such as `django.db.connection`."""
    return Path(database.settings_dict["NAME"])


def _identity_of(path: Path | str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - before each query, where Path costs more than the call
    return found.st_dev, found.st_ino
