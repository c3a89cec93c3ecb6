"""`manage.py backup FILE`: a copy of the database, taken while the server runs."""

from __future__ import annotations

import sqlite3
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitor.management.sqlite_backup import BadCopy, copy
from monitor.management.sqlite_only import sqlite_database


class Command(BaseCommand):
    """The secret key stays where it is: a copy that gets lost lets nobody make sessions of ours."""

    help = "Copy the SQLite database into a file, while the server runs. It holds accounts, rules and alerts; not the secret key."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="what to write; readable by its owner only")
        parser.add_argument("--force", action="store_true", help="replace FILE where there is one")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Raises CommandError with the reason where it cannot be done; then there is no FILE, or the one from before."""
        file: Path = options["file"]
        database = sqlite_database()
        if not database.exists():
            raise CommandError(f"there is no database yet: {database} is made at the first start")
        if file.exists() and database.samefile(file):
            raise CommandError(f"{file} is the database itself")
        if file.exists() and not options["force"]:
            raise CommandError(f"{file} is there already: give another name, or --force to replace it")
        try:
            copy(database, file)
        except (sqlite3.Error, BadCopy) as error:
            raise CommandError(f"{database} cannot be copied: {error}") from error
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}") from error
        self.stdout.write(f"{file}: {file.stat().st_size / (1 << 20):.1f} MiB, checked")
