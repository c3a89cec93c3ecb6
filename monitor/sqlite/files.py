"""A database is several files: its own, and those that SQLite keeps next to it while it is in use."""

from __future__ import annotations

import contextlib
from pathlib import Path

BESIDE = ("-wal", "-shm", "-journal")
"""The endings of the files that SQLite keeps next to a database in use."""


def set_aside(database: Path, name: str) -> Path | None:
    """Rename an unused database and the files next to it, within their folder; None if it does not exist."""
    if not database.exists():
        return None
    aside = database.with_name(name)
    if aside.exists():
        raise FileExistsError(17, "already exists", str(aside))
    # The database last: it must never be there without its log.
    for end in BESIDE:
        with contextlib.suppress(FileNotFoundError):
            database.with_name(database.name + end).rename(aside.with_name(aside.name + end))
    return database.rename(aside)
