"""The start of a server: lock the data folder, upgrade the database, collect static files, start the runtime."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from monitor.access.startup import at_start
from monitor.http.static_files import collect_if_outdated
from monitor.runtime.process import runtime
from monitor.runtime.runtime import Runtime
from monitor.server.data_lock import DataDirTaken, lock_data_dir
from monitor.version import __version__

log = logging.getLogger(__name__)

_MOST_NAMED = 5


class CannotStart(Exception):
    """Why a server cannot run here, and what to do: one line."""


class NewerDatabase(CannotStart):
    """A later version has written the database. Going back needs a backup from before: migrations do not undo data."""


def start_server() -> Runtime:
    """Start everything but the web server itself. Exits with status 3 if gpumon cannot start here."""
    try:
        prepare_server()
    except CannotStart as error:
        log.critical("gpumon cannot start: %s", error)
        # gunicorn does not restart a worker that exits with this status; uvicorn exits with it after a failed start too.
        raise SystemExit(3) from None
    collect_if_outdated()  # only now: another server, which holds the lock, may use these files
    running = runtime()
    running.start()
    at_start(running.setup_link)
    return running


@functools.cache
def prepare_server() -> TextIO:
    """Take the data folder for this process and bring its database up to date, once. Raises CannotStart.

    May be called inside an event loop (uvicorn imports applications there), which Django's database refuses: a thread
    does the work meanwhile. The answer is the lock, held while it is open.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="upgrade") as pool:
        return pool.submit(_prepare, settings.GPU_MONITOR.data_dir).result()


def _prepare(data_dir: Path) -> TextIO:
    try:
        lock = lock_data_dir(data_dir)
    except DataDirTaken as error:
        raise CannotStart(
            f"{error}: end it first, or give this one a folder of its own by GPU_MONITOR_DATA_DIR. One server is one process: "
            "more workers would tell of every alert twice"
        ) from None
    except OSError as error:
        raise CannotStart(f"the data folder {data_dir} cannot be written: {error.strerror}") from error
    try:
        bring_up_to_date()
    except (DatabaseError, OSError) as error:
        lock.close()
        raise CannotStart(
            f"the database cannot be used: {error} (docs/upgrading.md tells how to restore one)"
        ) from error
    except CannotStart:
        lock.close()
        raise
    finally:
        connection.close()
    return lock


def bring_up_to_date() -> int:
    """Apply what migrations are missing; answers how many they were. Raises NewerDatabase and Django's database errors."""
    make_private(connection)
    executor = MigrationExecutor(connection)
    refuse_newer(connection, executor.loader)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        log.info("bringing the database up to date for gpumon %s: %d migrations", __version__, len(missing))
        call_command("migrate", interactive=False, verbosity=0)
    return len(missing)


def make_private(database: BaseDatabaseWrapper) -> None:
    """Make SQLite's file for its owner alone, where there is none yet: it holds password hashes and the channels' secrets.

    SQLite itself makes it as the umask says, and the files beside it as this one.
    """
    if database.vendor == "sqlite":
        with contextlib.suppress(FileExistsError):
            os.close(os.open(database.settings_dict["NAME"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def refuse_newer(database: BaseDatabaseWrapper, loader: MigrationLoader | None = None) -> None:
    """Raise NewerDatabase where the database holds migrations that this version does not have.

    An app that gpumon gives up one day has to delete its rows of django_migrations in a migration of gpumon's own.
    """
    loader = loader or MigrationLoader(database)
    unknown = unknown_among(loader, loader.applied_migrations)
    if unknown:
        more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        raise NewerDatabase(
            f"the database was written by a later version of gpumon: this one, {__version__}, does not know its migrations "
            f"{', '.join(unknown[:_MOST_NAMED])}{more}. Install that version again, or restore a backup from before the "
            "upgrade (docs/upgrading.md)"
        )


def unknown_among(loader: MigrationLoader, applied: Iterable[tuple[str, str]]) -> list[str]:
    """Of these migrations those that are not among ours, nor replaced by one of them: `app.name`, sorted."""
    assert loader.disk_migrations is not None
    known = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        known.update(migration.replaces)
    return sorted(".".join(key) for key in set(applied) - known)
