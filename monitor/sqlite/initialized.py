"""Remembers that a data folder has a database, so that a lost one is not silently replaced by a new, empty one.

A new installation has no accounts, and its log shows a link to create the first administrator. A database that was deleted, or
emptied by a full disk, must not become one.
"""

from __future__ import annotations

import os
from pathlib import Path

from monitor.private_file import open_private

FILE_NAME = "initialized"
_TEXT = (
    "gpumon has created its database in this folder. If that is lost, gpumon does not start with a new, empty one: restore a\n\
backup, or delete this file too.\n"
)


def is_initialized(database: Path) -> bool:
    """Whether there was a database of gpumon in this folder."""
    return database.with_name(FILE_NAME).exists()


def set_initialized(database: Path) -> None:
    """Call this after the first migration. Raises OSError."""
    if not is_initialized(database):
        with os.fdopen(open_private(database.with_name(FILE_NAME)), "w", encoding="ascii") as file:
            file.write(_TEXT)


def lost(database: Path) -> str:
    """What to say about a database that is missing or has no tables where there was one."""
    state = "is missing" if not database.exists() else "is empty, or has no tables of gpumon"
    return (
        f"the database {database} {state}, and there was one before. Restore a backup (docs/upgrading.md); or, to start with a "
        f"new one without accounts and alerts, delete {database.with_name(FILE_NAME)}"
        + ("" if not database.exists() else f" and {database}")
    )
