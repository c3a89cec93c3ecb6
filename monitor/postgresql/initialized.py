"""Remembers, in the data folder, that there is a database in PostgreSQL, so that an emptied one is not silently filled again.

A new installation has no accounts, and its log shows a link to create the first administrator. A database that was dropped and
created again, or restored without its tables, must not become one.
"""

from __future__ import annotations

import os
from pathlib import Path

from monitor.private_file import open_private

FILE_NAME = "initialized-postgresql"
_TEXT = (
    "gpumon has created its tables in PostgreSQL. If they are lost, gpumon does not start with new, empty ones: restore a\n\
backup, or delete this file too.\n"
)


def is_initialized(data_dir: Path) -> bool:
    """Whether gpumon had its tables in PostgreSQL with this data folder."""
    return (data_dir / FILE_NAME).exists()


def set_initialized(data_dir: Path) -> None:
    """Call this after the first migration. Raises OSError."""
    if not is_initialized(data_dir):
        with os.fdopen(open_private(data_dir / FILE_NAME), "w", encoding="ascii") as file:
            file.write(_TEXT)


def lost(place: str, name: str, data_dir: Path) -> str:
    """What to say about a database without tables where there were some."""
    return (
        f"the database {name} of PostgreSQL at {place} has no tables of gpumon, and there were some before. Restore a backup "
        f"(docs/postgresql.md), or correct GPU_MONITOR_DATABASE_URL; or, to start with new tables without accounts and alerts, "
        f"delete {data_dir / FILE_NAME}"
    )
