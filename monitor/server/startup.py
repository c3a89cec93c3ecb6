"""The start of a server: lock the data folder, migrate the database, collect static files, start the runtime."""

from __future__ import annotations

import contextlib
import functools
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from monitor.access.startup import at_start
from monitor.database.engine import WAIT_SECONDS, DatabaseTaken, engine_of, server_lock
from monitor.history.database import history_connection, prepare
from monitor.http.static_files import collect_if_outdated
from monitor.private_file import reason_of
from monitor.runtime.process import runtime
from monitor.runtime.runtime import Runtime
from monitor.server.data_lock import DataDirTaken, lock_data_dir
from monitor.server.descriptors import raise_limit, warn_if_sockets_do_not_fit
from monitor.server.garbage import spare_what_was_loaded
from monitor.server.hangup import end_with_terminal
from monitor.version import __version__

log = logging.getLogger(__name__)

_MOST_NAMED = 5
MIGRATION_SECONDS = 900.0
"""How long another process of the same hub may migrate the database."""


class CannotStart(Exception):
    """Why the server cannot start, and how to fix it, in one line."""


class LostDatabase(CannotStart):
    """There was a database, and it is missing or empty now."""


class NewerDatabase(CannotStart):
    """A later version wrote the database. Going back needs a backup: migrations do not restore deleted data."""


def start_server() -> Runtime:
    """Start everything but the web server itself. Exits with status 3 if gpumon cannot start here."""
    try:
        prepare_server()
    except CannotStart as error:
        log.critical("gpumon cannot start: %s", error)
        # gunicorn does not restart a worker that exits with this status; uvicorn exits with it after a failed start too.
        raise SystemExit(3) from None
    end_with_terminal()
    warn_if_sockets_do_not_fit(raise_limit(), settings.GPU_MONITOR.max_sockets)
    try:
        collect_if_outdated()  # only now: another server, which holds the lock, may use these files
    except OSError as error:
        log.critical("gpumon cannot start: the static files: %s", reason_of(error, Path(settings.STATIC_ROOT)))
        raise SystemExit(3) from None
    running = runtime()
    running.start()
    at_start(running.setup_link)
    spare_what_was_loaded()
    return running


@functools.cache
def prepare_server() -> BinaryIO:
    """Lock the data folder for this process and migrate the database, once. Raises CannotStart.

    Works in a thread, because uvicorn imports applications inside an event loop, where Django refuses to use the database.
    Returns the lock, which lasts until it is closed.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="upgrade") as pool:
        return pool.submit(_prepare, settings.GPU_MONITOR.data_dir).result()


def _prepare(data_dir: Path) -> BinaryIO:
    try:
        lock = lock_data_dir(data_dir)
    except DataDirTaken as error:
        raise CannotStart(
            f"{error}. Stop it first, or set GPU_MONITOR_DATA_DIR to another folder. gpumon runs as one process: more workers "
            "would send every alert twice"
        ) from None
    except OSError as error:
        raise CannotStart(f"the data folder {data_dir} is not writable: {reason_of(error, data_dir)}") from error
    try:
        with _locked_database():
            bring_up_to_date()
            prepare_history()
    except (DatabaseError, InterfaceError, sqlite3.Error, OSError) as error:
        lock.close()
        raise CannotStart(engine_of(connection).explain(error)) from error
    except CannotStart:
        lock.close()
        raise
    finally:
        connection.close()
    return lock


@contextlib.contextmanager
def _locked_database() -> Iterator[None]:
    """Until this process ends, also if it is a command that only prepares a server. The processes of a hub share the database, and
    only one of them migrates it at a time.
    """
    is_shared = settings.GPU_MONITOR.redis_url is not None
    lock = engine_of(connection).new_server_lock("migration") if is_shared else server_lock()
    if lock is None:
        yield
        return
    try:
        lock.acquire(wait_seconds=MIGRATION_SECONDS if is_shared else WAIT_SECONDS)
    except DatabaseTaken as error:
        raise CannotStart(
            f"{error}. Stop it, or give each server a database of its own (GPU_MONITOR_DATABASE_URL)"
        ) from None
    yield
    if is_shared:
        lock.release()


def bring_up_to_date() -> int:
    """Apply the missing migrations and return their number. Raises CannotStart, and Django's and SQLite's errors."""
    with migrating(connection) as executor:
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            log.info("migrating the database to gpumon %s: %d migrations", __version__, len(missing))
            call_command("migrate", interactive=False, verbosity=0)
    return len(missing)


def prepare_history() -> None:
    """Without the history everything else works, and the recorder tries again."""
    database = history_connection()
    try:
        prepare()
    except (CannotStart, DatabaseError, sqlite3.Error, OSError) as error:
        reason = error if isinstance(error, CannotStart) else engine_of(database).explain(error)
        log.error("no history can be stored now: %s", reason)
    finally:
        database.close()


@contextlib.contextmanager
def migrating(database: BaseDatabaseWrapper) -> Iterator[MigrationExecutor]:
    """Check and prepare a database for migrations, which the block applies. Raises CannotStart."""
    engine = engine_of(database)
    if (loss := engine.lost()) is not None:
        raise LostDatabase(loss)
    executor = MigrationExecutor(database)
    refuse_newer(executor.loader)
    engine.prepare()
    with engine.without_limits():
        yield executor
    if MigrationRecorder(database).applied_migrations():
        engine.note_initialized()


def refuse_newer(loader: MigrationLoader) -> None:
    """Raise NewerDatabase if the database has migrations that this version does not have.

    If gpumon ever drops an app, one of its own migrations must delete that app's rows of django_migrations.
    """
    unknown = unknown_among(loader, loader.applied_migrations)
    if unknown:
        more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        raise NewerDatabase(
            f"the database is from a later version of gpumon: {__version__} does not have its migrations "
            f"{', '.join(unknown[:_MOST_NAMED])}{more}. Install that version again, or restore a backup from before the "
            "upgrade (docs/upgrading.md)"
        )


def unknown_among(loader: MigrationLoader, applied: Iterable[tuple[str, str]]) -> list[str]:
    """Those of the applied migrations that this version neither has nor replaces: `app.name`, sorted."""
    assert loader.disk_migrations is not None
    known = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        known.update(migration.replaces)
    return sorted(".".join(key) for key in set(applied) - known)
