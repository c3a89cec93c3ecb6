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
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3 import base

from monitor.private_file import make_private, open_private
from monitor.sqlite.initialized import is_initialized


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection. Its file is `settings_dict["NAME"]`."""

    _identity: tuple[int, int] | None = None
    """Device and inode of the open file."""

    def ensure_connection(self) -> None:
        """Connect, again if the file has been replaced. A transaction is not interrupted."""
        if self.connection is not None and not self.in_atomic_block and self._is_replaced():
            self.close()
        super().ensure_connection()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raises sqlite3.OperationalError, which Django wraps, if the file is missing or cannot be created."""
        if not self.is_in_memory_db():
            self._prepare(Path(conn_params["database"]))
        return super().get_new_connection(conn_params)

    def _prepare(self, path: Path) -> None:
        try:
            if path.exists():
                make_private(path)
            elif is_initialized(path) and not self.settings_dict.get("IS_REPLACEABLE"):
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
