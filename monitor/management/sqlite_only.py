"""Backup and restore are for SQLite: other databases have programs of their own for it."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import CommandError
from django.db import connection


def sqlite_database() -> Path:
    """The file that the database is in. Raises CommandError for a database that is none."""
    if connection.vendor != "sqlite":
        raise CommandError(
            f"this is for SQLite, and the database is {connection.display_name}: use its own programs, such as pg_dump and "
            "pg_restore for PostgreSQL"
        )
    return Path(connection.settings_dict["NAME"])
