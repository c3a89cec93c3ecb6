"""`manage.py restore FILE`: puts a backup in the place of the database, which is kept beside it."""

from __future__ import annotations

import sqlite3
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from monitor.management.sqlite_backup import BadCopy, applied_migrations, check_whole, copy, set_aside
from monitor.management.sqlite_only import sqlite_database
from monitor.server.data_lock import DataDirTaken, lock_data_dir
from monitor.server.startup import unknown_among
from monitor.version import __version__


class Command(BaseCommand):
    """No server may run meanwhile: it would go on writing into the database that is set aside."""

    help = "Put a backup in the place of the SQLite database, which is kept beside it. No server may run meanwhile."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", type=Path, help="made by `manage.py backup`, by this version or an earlier"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Raises CommandError with the reason where it cannot be done; the database is then as before."""
        file: Path = options["file"]
        database = sqlite_database()
        if not file.exists():
            raise CommandError(f"there is no file {file}")
        if database.exists() and database.samefile(file):
            raise CommandError(f"{file} is the database itself")
        try:
            check_whole(file)
            unknown = unknown_among(MigrationLoader(None), applied_migrations(file))
        except BadCopy as error:
            raise CommandError(str(error)) from error
        if unknown:
            raise CommandError(
                f"{file} is of a later version of gpumon: this one, {__version__}, does not know its migrations "
                f"{', '.join(unknown)}. Install that version, then restore it"
            )
        try:
            with lock_data_dir(settings.GPU_MONITOR.data_dir, wait_seconds=0):
                aside = self._put(file, database)
        except DataDirTaken as error:
            raise CommandError(f"nothing was restored: {error}. End it first") from error
        except (sqlite3.Error, BadCopy) as error:
            raise CommandError(f"{file} cannot be copied: {error}") from error
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from error
        if aside:
            self.stdout.write(f"the database from before is now {aside}")
        self.stdout.write(f"restored {file}; the next start brings it up to date")

    def _put(self, file: Path, database: Path) -> Path | None:
        connection.close()
        made = database.with_name(f"{database.name}.restored")
        copy(file, made)  # first, so that a full disk leaves everything as it was
        aside = set_aside(database, f"{database.name}.{timezone.now():%Y%m%d-%H%M%S}")
        made.rename(database)
        return aside
