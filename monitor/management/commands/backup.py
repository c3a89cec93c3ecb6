"""`manage.py backup FILE`: copy the database while the server runs."""

from __future__ import annotations

import sqlite3
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitor.management.history_copy import add_history
from monitor.management.sqlite_backup import BadCopy, copy, existing_history, refuse_special, sqlite_database
from monitor.private_file import reason_of


class Command(BaseCommand):
    """The secret key is not copied, so that no one can forge sessions with a lost backup."""

    help = (
        "Copy the SQLite databases to one file while the server runs: accounts, rules and alerts, history and usage, not the "
        "secret key."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="the file to write; only its owner can read it")
        parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
        parser.add_argument(
            "--without-history", action="store_true", help="leave out history and usage, for a small file"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Raises CommandError with the reason if it fails; an existing FILE is then unchanged."""
        file: Path = options["file"]
        refuse_special(file)
        database = sqlite_database()
        if not database.exists():
            raise CommandError(f"there is no database yet: the first start creates {database}")
        if file.exists() and database.samefile(file):
            raise CommandError(f"{file} is the database itself")
        if file.exists() and not options["force"]:
            raise CommandError(f"{file} already exists: choose another name, or use --force to replace it")
        history = None if options["without_history"] else existing_history()
        try:
            copy(database, file, change=lambda made: None if history is None else add_history(made, history))
        except (sqlite3.Error, BadCopy) as error:
            more = "" if history is None else f" and {history}; --without-history leaves the latter out"
            raise CommandError(f"cannot copy {database}{more}: {error}") from error
        except OSError as error:
            raise CommandError(f"cannot write {file}: {reason_of(error, file)}") from error
        self.stdout.write(f"{file}: {file.stat().st_size / (1 << 20):.1f} MiB, checked")
