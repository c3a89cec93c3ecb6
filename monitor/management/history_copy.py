"""The history in a backup: its tables are copied into the copy of the main database, and restored into a file of their own.

A backup is then one file. One of a version that had no history, or made without it, has only the main database's tables.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from monitor.management.sqlite_backup import BadCopy, check_whole, opened
from monitor.sqlite.files import BESIDE

_PREFIXES = ("monitor_history", "monitor_usage")
_MIGRATIONS = "django_migrations"


def has_history(backup: Path) -> bool:
    """Whether a backup contains the tables of the history."""
    with opened(backup, "ro") as database:
        return bool(_tables(database, "main"))


def add_history(copy: sqlite3.Connection, history: Path) -> None:
    """Add the history, as it is at one moment, to a copy of the main database. Raises sqlite3.Error."""
    with _attached(copy, history):
        _copy_tables(copy, _tables(copy, "other"))


def restore_history(backup: Path, target: Path) -> None:
    """Write the history of a backup into a new file, readable by its owner only. Raises OSError, sqlite3.Error and BadCopy, and
    then leaves nothing behind.
    """
    _remove(target)
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with opened(target, "rw") as made:
            made.execute("PRAGMA auto_vacuum = INCREMENTAL")
            with _attached(made, backup):
                _copy_tables(made, [_MIGRATIONS, *_tables(made, "other")])
        check_whole(target)
    except (OSError, sqlite3.Error, BadCopy):
        _remove(target)
        raise


def _remove(database: Path) -> None:
    for path in (database, *(database.with_name(database.name + end) for end in BESIDE)):
        path.unlink(missing_ok=True)


def drop_history(copy: sqlite3.Connection) -> None:
    """Leave only the main database's tables in a copy of a backup."""
    tables = _tables(copy, "main")
    for name in tables:
        copy.execute(f'DROP TABLE "{name}"')
    copy.commit()
    if tables:
        copy.execute("VACUUM")


@contextlib.contextmanager
def _attached(database: sqlite3.Connection, other: Path) -> Iterator[None]:
    database.execute("ATTACH DATABASE ? AS other", (f"{other.absolute().as_uri()}?mode=ro",))
    database.execute("BEGIN")
    try:
        yield
        database.commit()
    except BaseException:
        database.rollback()
        raise
    finally:
        database.execute("DETACH DATABASE other")


def _tables(database: sqlite3.Connection, schema: str) -> list[str]:
    rows = database.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table' ORDER BY rowid")  # noqa: S608  # nosec
    return [name for (name,) in rows if name.startswith(_PREFIXES)]


def _copy_tables(database: sqlite3.Connection, names: list[str]) -> None:
    for name in names:
        found = database.execute(
            "SELECT sql FROM other.sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC", (name,)
        )
        table, *indexes = [sql for (sql,) in found]
        database.execute(table)
        database.execute(f'INSERT INTO main."{name}" SELECT * FROM other."{name}"')  # noqa: S608  # nosec
        for index in indexes:
            database.execute(index)
