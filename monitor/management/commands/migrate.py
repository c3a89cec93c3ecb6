"""Django's `manage.py migrate`, one at a time per data folder, and never on the database of a later version."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

from monitor.database.engine import engine_of
from monitor.history.database import history_connection, prepare
from monitor.private_file import open_private
from monitor.server.startup import CannotStart, migrating

LOCK_NAME = "migrate.lock"


class Command(migrate.Command):
    """Servers and people that migrate at the same time take turns; the second one finds nothing to do.

    `manage.py migrate` without an app or a database also migrates the history's database.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        """For a database that is lost, unusable or of a later version: ends with one line, or raises to the code that called it.

        Here and not in `handle`, because Django's checks use the database before that.
        """
        database = connections[options.get("database") or DEFAULT_DB_ALIAS]
        is_for_all = self._is_typed and database.alias == DEFAULT_DB_ALIAS and not options.get("app_label")
        try:
            with _turn(), migrating(database):
                result = super().execute(*args, **options)
            if is_for_all:
                database = history_connection()
                prepare()
            return result
        except (CannotStart, DatabaseError, InterfaceError, sqlite3.Error, OSError) as error:
            if not self._is_typed:
                raise
            if isinstance(error, CannotStart):
                raise CommandError(f"gpumon: {error}") from error
            raise CommandError(f"gpumon: {engine_of(database).explain(error)}") from error

    @property
    def _is_typed(self) -> bool:
        """Whether a person or script runs it, not code."""
        return bool(self._called_from_command_line)  # type: ignore[attr-defined]  # Django's; the stubs lack it


@contextmanager
def _turn() -> Iterator[None]:
    with os.fdopen(open_private(settings.GPU_MONITOR.data_dir / LOCK_NAME), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
