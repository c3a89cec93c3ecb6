"""Copies of the SQLite database: taken while servers write, checked as a whole, and told from other programs' files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database that is in use."""


class BadCopy(Exception):
    """A file is no database of gpumon, or a damaged one; the text says which."""


def copy(source: Path, target: Path) -> None:
    """A copy of the database as it is at one moment, without stopping those that read and write it.

    By SQLite's own way of doing that (https://www.sqlite.org/backup.html). The copy is for its owner alone and complete on
    the disk before it appears under its name: whatever is there already is replaced in one step. Raises OSError and
    sqlite3.Error; nothing is left behind then.
    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with _opened(source, "ro") as origin, _opened(unfinished, "rw") as made:
            origin.backup(made)
            # Of WAL, which the original is in: a copy is one file, also for those who only have the right to read it.
            made.execute("PRAGMA journal_mode = DELETE")
        check_whole(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        for path in (unfinished, *(unfinished.with_name(unfinished.name + end) for end in BESIDE)):
            path.unlink(missing_ok=True)


def check_whole(path: Path) -> None:
    """Raise BadCopy where a file is no database, or a damaged one. Reads all of it."""
    try:
        with _opened(path, "ro") as database:
            problems = [row[0] for row in database.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        raise BadCopy(f"{path} is no SQLite database that can be read: {error}") from None
    if problems != ["ok"]:
        raise BadCopy(f"{path} is damaged: {'; '.join(problems)}")


def applied_migrations(path: Path) -> list[tuple[str, str]]:
    """App and name of the migrations that a database holds. Raises BadCopy where it is of another program."""
    with _opened(path, "ro") as database:
        try:
            rows: list[tuple[str, str]] = database.execute("SELECT app, name FROM django_migrations").fetchall()
        except sqlite3.OperationalError:
            rows = []
    # Version 0.1.0 had no tables of its own, only those of accounts and sessions.
    if not {("auth", "0001_initial"), ("sessions", "0001_initial")} <= set(rows):
        raise BadCopy(f"{path} is not a database of gpumon")
    return rows


def set_aside(database: Path, name: str) -> Path | None:
    """Give a database that nobody uses, and what SQLite keeps beside it, another name in its folder; None where there is none."""
    if not database.exists():
        return None
    aside = database.with_name(name)
    if aside.exists():
        raise FileExistsError(17, "is there already", str(aside))
    # The file itself last: at no time does a database stand there without what is in its log.
    for end in BESIDE:
        with contextlib.suppress(FileNotFoundError):
            database.with_name(database.name + end).rename(aside.with_name(aside.name + end))
    return database.rename(aside)


@contextlib.contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Read-only does not make a file that is not there."""
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=20)
    ) as database:
        yield database
