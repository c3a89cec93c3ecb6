"""The database of the stored history and the usage ledger: its alias, its migrations, and what happens if it is damaged.

With SQLite it is a file of its own next to the main one, so that a damaged or full history never affects alerts and logins.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from monitor.database.engine import engine_of
from monitor.sqlite.base import file_of
from monitor.sqlite.errors import is_damage
from monitor.sqlite.files import set_aside

log = logging.getLogger(__name__)

_MODELS = ("history", "usage")
"""How the names of the models in this database begin. A data migration of such a model needs `hints={"model_name": …}`."""


class HistoryRouter:
    """Sends these models to settings.HISTORY_DATABASE and all others to the default database."""

    def db_for_read(self, model: type[Model], **_hints: Any) -> str | None:
        return settings.HISTORY_DATABASE if _is_ours(model._meta.app_label, model._meta.model_name) else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **_hints: Any) -> bool | None:
        """Both databases list all migrations as applied; each has its own models' tables only."""
        if settings.HISTORY_DATABASE == DEFAULT_DB_ALIAS:
            return None
        return _is_ours(app_label, model_name) == (db == settings.HISTORY_DATABASE)


def _is_ours(app_label: str, model_name: str | None) -> bool:
    return app_label == "monitor" and (model_name or "").startswith(_MODELS)


def history_connection() -> BaseDatabaseWrapper:
    """This thread's connection. Close it where the thread ends."""
    return connections[settings.HISTORY_DATABASE]


def prepare() -> None:
    """Create or migrate the history's own database; rename a damaged one and create a new one.

    Does nothing if the default database holds the history. Raises the errors of the migration, Django, SQLite and the system.
    """
    database = history_connection()
    if database.alias == DEFAULT_DB_ALIAS:
        return
    try:
        is_behind = _is_behind(database)
    except DatabaseError as error:
        if not is_damage(error):
            raise
        begin_anew(database)
        is_behind = True
    if is_behind:
        call_command("migrate", database=database.alias, interactive=False, verbosity=0)
    else:
        engine_of(database).prepare()


def begin_anew(database: BaseDatabaseWrapper) -> Path | None:
    """Rename the damaged file, which a person may still want to read. Raises OSError."""
    file = file_of(database)
    database.close()
    aside = set_aside(file, f"{file.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    log.error("the history in %s was damaged; it is now %s, and a new one begins", file, aside)
    return aside


def _is_behind(database: BaseDatabaseWrapper) -> bool:
    """Whether migrations are missing, or those of a later version are there, which `migrate` refuses. Raises DatabaseError."""
    executor = MigrationExecutor(database)
    try:
        unknown = executor.loader.applied_migrations.keys() - (executor.loader.disk_migrations or {}).keys()
        return bool(unknown or executor.migration_plan(executor.loader.graph.leaf_nodes()))
    finally:
        database.close()
