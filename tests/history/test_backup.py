"""A backup contains the history, in one file with the rest; restoring gives each database its own tables again."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from monitor.history.database import prepare
from monitor.management.history_copy import add_history, drop_history, has_history, restore_history
from monitor.management.sqlite_backup import copy
from monitor.models import HistoryChunk, HistorySource


@pytest.fixture
def main(history: Path, tmp_path: Path) -> Path:
    """A main database with the migrations of the history's."""
    path = tmp_path / "gpumon.sqlite3"
    ((create,),) = rows(history, "SELECT sql FROM sqlite_schema WHERE name = 'django_migrations'")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("ATTACH DATABASE ? AS history", (str(history),))
        database.execute(str(create))
        database.execute("INSERT INTO django_migrations SELECT * FROM history.django_migrations")
        database.execute("CREATE TABLE auth_user (id integer PRIMARY KEY, username text)")
        database.execute("INSERT INTO auth_user VALUES (1, 'root')")
        database.commit()
    return path


@pytest.fixture
def backup(main: Path, history: Path, tmp_path: Path) -> Path:
    source = HistorySource.objects.create(
        host_id="d" * 32, host="dgx-05", key="GPU-0", kind="gpu", name="H100", first_at=1, last_at=2
    )
    HistoryChunk.objects.create(source=source, tier=1, start=1, end=2, data=b"readings")
    file = tmp_path / "backup"
    copy(main, file, change=lambda made: add_history(made, history))
    HistoryChunk.objects.create(source=source, tier=1, start=2, end=3, data=b"too late")
    return file


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_one_file_has_both(backup: Path) -> None:
    assert rows(backup, "SELECT username FROM auth_user") == [("root",)]
    assert rows(backup, "SELECT data FROM monitor_historychunk") == [(b"readings",)]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert has_history(backup)


def test_restored_history_is_used_as_before(backup: Path, history: Path, tmp_path: Path) -> None:
    restored = tmp_path / "restored"
    restore_history(backup, restored)
    assert stat.S_IMODE(restored.stat().st_mode) == 0o600
    shape = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert rows(restored, shape) == rows(history, shape)
    for path in history.parent.glob("history.sqlite3*"):
        path.unlink()
    shutil.move(restored, history)
    prepare()
    (chunk,) = HistoryChunk.objects.all()
    assert (bytes(chunk.data), chunk.source.host, chunk.source.key) == (b"readings", "dgx-05", "GPU-0")
    HistoryChunk.objects.create(source=chunk.source, tier=1, start=2, end=3, data=b"more")
    assert rows(history, "PRAGMA auto_vacuum") == [(2,)]


def test_restored_main_database_has_no_tables_of_the_history(backup: Path, tmp_path: Path) -> None:
    copy(backup, tmp_path / "main", change=drop_history)
    tables = rows(tmp_path / "main", "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    assert sorted(tables) == [("auth_user",), ("django_migrations",)]
    assert not has_history(tmp_path / "main")


def test_a_history_that_cannot_be_restored_leaves_nothing_behind(backup: Path, tmp_path: Path) -> None:
    with backup.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)
    with pytest.raises(sqlite3.Error):
        restore_history(backup, tmp_path / "restored")
    assert not list(tmp_path.glob("restored*"))
