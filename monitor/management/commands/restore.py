"""`manage.py restore FILE`: replace the database by a backup, and keep the old one next to it."""

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

from monitor.management.history_copy import drop_history, has_history, restore_history
from monitor.management.sqlite_backup import (
    BadCopy,
    applied_migrations,
    check_whole,
    copy,
    history_file,
    sqlite_database,
)
from monitor.private_file import give_to_owner_of_folder, reason_of
from monitor.server.data_lock import DataDirTaken, lock_data_dir
from monitor.server.startup import unknown_among
from monitor.sqlite.files import set_aside
from monitor.version import __version__


class Command(BaseCommand):
    """The server must be stopped: it would keep writing to the old database."""

    help = "Replace the SQLite databases by a backup, and keep the old ones next to them. Stop the server first."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", type=Path, help="a file from `manage.py backup` of this or an earlier version"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Raises CommandError with the reason if it fails; the database is then unchanged."""
        file: Path = options["file"]
        database = sqlite_database()
        if not file.exists():
            raise CommandError(f"{file} does not exist")
        if not file.is_file():
            raise CommandError(f"{file} must be a regular file, not a device, pipe or directory")
        if database.exists() and database.samefile(file):
            raise CommandError(f"{file} is the database itself")
        try:
            check_whole(file)
            unknown = unknown_among(MigrationLoader(None), applied_migrations(file))
        except BadCopy as error:
            raise CommandError(str(error)) from error
        if unknown:
            raise CommandError(
                f"{file} is from a later version of gpumon: {__version__} does not have its migrations "
                f"{', '.join(unknown)}. Install that version, then restore"
            )
        try:
            with lock_data_dir(settings.GPU_MONITOR.data_dir, wait_seconds=0):
                aside = self._put(file, database)
        except DataDirTaken as error:
            raise CommandError(f"nothing was restored: {error}. Stop it first") from error
        except (sqlite3.Error, BadCopy) as error:
            raise CommandError(f"cannot copy {file}: {error}") from error
        except OSError as error:
            raise CommandError(f"cannot write {error.filename or database}: {reason_of(error, database)}") from error
        for path in aside:
            self.stdout.write(f"the old database is now {path}")
        without = "" if has_history(file) else ", which contains no history: the current one stays"
        self.stdout.write(f"restored {file}{without}; the next start migrates it")

    def _put(self, file: Path, database: Path) -> list[Path]:
        """Returns the old files."""
        connection.close()
        history = history_file() if has_history(file) else None
        made = [(database, database.with_name(f"{database.name}.restored"))]
        copy(file, made[0][1], change=drop_history)  # first, so that a full disk changes nothing
        if history is not None:
            made.append((history, history.with_name(f"{history.name}.restored")))
            try:
                restore_history(file, made[1][1])
            except (sqlite3.Error, BadCopy, OSError):
                made[0][1].unlink()
                raise
        now, aside = timezone.now(), []
        for given, restored in made:
            give_to_owner_of_folder(restored)
            aside.append(set_aside(given, f"{given.name}.{now:%Y%m%d-%H%M%S}"))
            restored.rename(given)
        return [path for path in aside if path is not None]
