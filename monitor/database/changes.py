"""Lets a thread that polls a database skip the queries while nothing in it has changed."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from monitor.database.engine import engine_of

MOST_SECONDS = 60.0
"""How long the queries are skipped at most: SQLite does not notice a file that is damaged under its open connection."""


class Changes:
    """Changes of the default database since one thread last read it. Used in that thread only.

    On SQLite a look takes a hundredth of what a query through Django does. On PostgreSQL, which has no such look, there always
    may be changes.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: object = None
        self._read: object = None
        self._read_at = 0.0

    def may_exist(self) -> bool:
        """Whether the database may have changed since the last `note_read`. Ask before reading it."""
        try:
            self._seen = engine_of(connection).data_version()
        except (DatabaseError, InterfaceError):
            self._seen = None  # the queries will say why
        is_same = self._seen is not None and self._seen == self._read
        return not is_same or self._monotonic() - self._read_at >= MOST_SECONDS

    def note_read(self) -> None:
        """Everything was read that was there at the last `may_exist`."""
        self._read, self._read_at = self._seen, self._monotonic()
