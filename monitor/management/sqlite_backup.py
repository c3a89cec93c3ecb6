"""Back up and restore the SQLite database: copied while servers write, checked, and recognized as gpumon's."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connection

from monitor.sqlite.files import BESIDE


class BadCopy(Exception):
    """A file is not a database of gpumon, or is damaged; the text says which."""


def refuse_special(file: Path) -> None:
    """Raise CommandError for a link, device, pipe or directory: replacing one, as root, would damage the system."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise CommandError(f"{file} must be a regular file, not a link, device, pipe or directory")


def sqlite_database() -> Path:
    """The file of the database. Raises CommandError for other databases, which have backup programs of their own."""
    if connection.vendor != "sqlite":
        raise CommandError(
            f"this works with SQLite only, and the database is {connection.display_name}; use pg_dump and pg_restore "
            "(docs/postgresql.md)"
        )
    return Path(connection.settings_dict["NAME"])


def history_file() -> Path | None:
    """Where the history is, if it has a file of its own."""
    name = settings.DATABASES[settings.HISTORY_DATABASE]["NAME"]
    return None if settings.HISTORY_DATABASE == DEFAULT_DB_ALIAS else Path(name)


def existing_history() -> Path | None:
    """The file of the history, if it exists."""
    file = history_file()
    return file if file is not None and file.exists() else None


def copy(source: Path, target: Path, *, change: Callable[[sqlite3.Connection], None] = lambda _made: None) -> None:
    """Copy the database as it is at one moment, without stopping its readers and writers. `change`: is called with the copy before
    it is checked.

    Uses SQLite's backup API (https://www.sqlite.org/backup.html). Only the owner can read the copy. It is complete on the disk
    before it appears under its name, and replaces an existing file in one step. Raises OSError and sqlite3.Error, and then
    leaves nothing behind.
    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with opened(source, "ro") as origin, opened(unfinished, "rw") as made:
            origin.backup(made)
            # The original is in WAL mode. A copy must be one file that can be opened read-only.
            made.execute("PRAGMA journal_mode = DELETE")
            change(made)
        check_whole(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        for path in (unfinished, *(unfinished.with_name(unfinished.name + end) for end in BESIDE)):
            path.unlink(missing_ok=True)


def check_whole(path: Path) -> None:
    """Read the whole file; raise BadCopy if it is not a database, or is damaged."""
    try:
        with opened(path, "ro") as database:
            problems = [row[0] for row in database.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        raise BadCopy(f"{path} is not a readable SQLite database: {error}") from None
    if problems != ["ok"]:
        raise BadCopy(f"{path} is damaged: {'; '.join(problems)}")


def applied_migrations(path: Path) -> list[tuple[str, str]]:
    """App and name of each migration in a database. Raises BadCopy for another program's database."""
    with opened(path, "ro") as database:
        try:
            rows: list[tuple[str, str]] = database.execute("SELECT app, name FROM django_migrations").fetchall()
        except sqlite3.OperationalError:
            rows = []
    # Version 0.1.0 had only the tables of accounts and sessions.
    if not {("auth", "0001_initial"), ("sessions", "0001_initial")} <= set(rows):
        raise BadCopy(f"{path} is not a database of gpumon")
    return rows


@contextlib.contextmanager
def opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """A connection. In read-only mode SQLite does not create a missing file."""
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=20)
    ) as database:
        yield database
