"""Django's `manage.py migrate`, one at a time per data folder, and never on the database of a later version."""

from __future__ import annotations

import fcntl
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections

from monitor.server.startup import NewerDatabase, make_private, refuse_newer

LOCK_NAME = "migrate.lock"


class Command(migrate.Command):
    """Servers and people that migrate at the same time take turns; the second one finds nothing to do."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError for the database of a later version."""
        with (settings.GPU_MONITOR.data_dir / LOCK_NAME).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            database = connections[options["database"]]
            make_private(database)
            try:
                refuse_newer(database)
            except NewerDatabase as error:
                raise CommandError(f"gpumon: {error}") from error
            super().handle(*args, **options)
