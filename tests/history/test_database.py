"""The history has a database of its own: its tables are in no other, and a damaged file makes room for a new one."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, connections

from monitor.history.database import history_connection, prepare
from monitor.models import AlertRule, HistorySource
from monitor.server.startup import prepare_history


def tables(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


@pytest.mark.django_db
def test_each_database_has_its_own_tables() -> None:
    main = set(connections["default"].introspection.table_names())
    history = set(history_connection().introspection.table_names())
    assert {"monitor_alertrule", "auth_user"} <= main
    assert {"monitor_historychunk", "monitor_historygap", "monitor_historysource"} <= history
    assert main & history == {"django_migrations"}
    assert (HistorySource.objects.db, AlertRule.objects.db) == (settings.HISTORY_DATABASE, "default")


@pytest.mark.slow
def test_a_new_history_is_private_has_a_write_ahead_log_and_can_shrink(file: Path) -> None:
    prepare()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert "monitor_historychunk" in tables(file)


@pytest.mark.slow
def test_a_damaged_history_is_set_aside_and_begun_anew(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(b"no database" * 1000)
    prepare()
    assert HistorySource.objects.count() == 0
    (aside,) = file.parent.glob("history.sqlite3.damaged-*")
    assert aside.read_bytes().startswith(b"no database")
    assert f"it is now {aside}" in caplog.text


@pytest.mark.slow
def test_an_existing_history_is_kept(file: Path) -> None:
    prepare()
    HistorySource.objects.create(key="host", kind="host", name="here", first_at=1, last_at=2)
    prepare()
    assert HistorySource.objects.count() == 1


@pytest.mark.slow
def test_a_deleted_history_is_created_again_though_the_main_database_must_not_be(file: Path) -> None:
    prepare()
    HistorySource.objects.count()
    file.unlink()
    with pytest.raises(DatabaseError, match="no such table"):
        HistorySource.objects.count()
    prepare()
    assert HistorySource.objects.count() == 0


def test_an_unusable_history_does_not_stop_the_start(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.mkdir()
    prepare_history()
    assert f"no history can be stored now: the database {file} is unusable" in caplog.text
