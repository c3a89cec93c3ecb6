"""Explains why the database cannot be used, and how to fix it. Only damage is a reason to restore a backup."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from monitor.private_file import is_full, owner_of, reason_of


def explain(error: Exception, database: Path, *, is_replaceable: bool = False) -> str:
    """One sentence. `error`: from Django, sqlite3 or the operating system. `is_replaceable`: if damaged, a new one begins."""
    cause = _cause(error)
    if isinstance(cause, OSError):
        return f"the database {database} is unusable: {reason_of(cause, database)}"
    name = getattr(cause, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or (name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and is_full(database.parent)):
        return f"the disk of {database.parent} is full; free some space on it"
    if is_damage(error):
        fix = "It is set aside, and a new one begins" if is_replaceable else "Restore a backup (docs/upgrading.md)"
        return f"the database {database} is damaged: {error}. {fix}"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another program keeps the database {database} locked; `fuser {database}` shows which one"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return f"the database {database} is unusable: {error}; {_obstacle(database)}"
    if name.startswith("SQLITE_IOERR"):
        return (
            f"the disk reports an error in {database} ({name}); check the disk, and on a network file system its locks. The "
            "database itself can be intact"
        )
    return f"the database {database} is unusable: {error}"


def is_damage(error: Exception) -> bool:
    """Whether the file is not, or no longer, a database."""
    return getattr(_cause(error), "sqlite_errorname", "").startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def _cause(error: Exception) -> Exception:
    """The error of SQLite or the operating system that Django has wrapped."""
    return error.__cause__ if isinstance(error.__cause__, sqlite3.Error | OSError) else error


def _obstacle(database: Path) -> str:
    if database.is_dir():
        return f"{database} is a directory"
    if os.statvfs(database.parent).f_flag & os.ST_RDONLY:
        return f"{database.parent} is on a read-only file system"
    beside = (database.with_name(database.name + end) for end in ("-wal", "-shm", "-journal"))
    for path in (database, database.parent, *beside):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            return owner_of(path)
    return f"check {database.parent} and the files next to it"
