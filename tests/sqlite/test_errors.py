"""What is said about a database that cannot be used: the cause, and a fix that fits it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, OperationalError

from monitor.sqlite import errors
from monitor.sqlite.errors import explain
from tests.sqlite.databases import connection_to, execute

RESTORE = "Restore a backup"
pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gpumon.sqlite3"


def failure(path: Path, statement: str = "CREATE TABLE u (x)") -> DatabaseError:
    """The error of a statement on this database."""
    connection = connection_to(path)
    with contextlib.closing(connection), pytest.raises(DatabaseError) as raised:
        execute(connection, statement)
    return raised.value


def with_code(code: str) -> OperationalError:
    """As Django wraps an error of SQLite with this name."""
    cause = sqlite3.OperationalError("disk I/O error")
    cause.sqlite_errorname = code
    error = OperationalError("disk I/O error")
    error.__cause__ = cause
    return error


def test_damaged_database_is_restored(path: Path) -> None:
    path.write_bytes(b"nothing of the kind" * 1000)
    said = explain(failure(path), path)
    assert f"{path} is damaged: file is not a database. {RESTORE}" in said


def test_damaged_database_that_is_replaced_by_itself_needs_no_backup(path: Path) -> None:
    path.write_bytes(b"nothing of the kind" * 1000)
    said = explain(failure(path), path, is_replaceable=True)
    assert said.endswith("It is set aside, and a new one begins")


def test_directory_is_named(path: Path) -> None:
    path.mkdir(mode=0o700)
    said = explain(failure(path), path)
    assert f"{path} is a directory" in said
    assert RESTORE not in said


def test_locked_database_names_the_program_that_shows_who_locks_it(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        said = explain(failure(path), path)
    assert f"another program keeps the database {path} locked; `fuser {path}`" in said


def test_database_that_cannot_be_written_names_owner_and_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()
    monkeypatch.setattr(errors.os, "access", lambda *_: False)
    said = explain(with_code("SQLITE_READONLY"), path)
    assert f"{path} belongs to user {path.stat().st_uid}" in said
    assert RESTORE not in said


def test_file_next_to_the_database_that_cannot_be_written_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left by a command of root, for example."""
    beside = path.with_name(f"{path.name}-shm")
    path.touch()
    beside.touch()
    monkeypatch.setattr(errors.os, "access", lambda file, _mode: file != beside)
    assert f"{beside} belongs to user" in explain(with_code("SQLITE_CANTOPEN"), path)


def test_read_only_file_system_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(f_bavail=1000, f_frsize=4096, f_files=0, f_favail=0, f_flag=errors.os.ST_RDONLY)
    monkeypatch.setattr(errors.os, "statvfs", lambda _: found)
    said = explain(with_code("SQLITE_READONLY"), path)
    assert said.endswith(f"{path.parent} is on a read-only file system")


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_CANTOPEN"])
def test_full_disk_is_named_whichever_way_sqlite_reports_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(errors, "is_full", lambda _: True)
    assert explain(with_code(code), path) == f"the disk of {path.parent} is full; free some space on it"


def test_failing_disk_does_not_lead_to_a_restore_over_an_intact_database(path: Path) -> None:
    said = explain(with_code("SQLITE_IOERR_READ"), path)
    assert "check the disk" in said
    assert RESTORE not in said


def test_other_errors_are_passed_on(path: Path) -> None:
    assert explain(failure(path, "SELECT 1 FROM nowhere"), path).endswith("is unusable: no such table: nowhere")
    assert "is full" in explain(OSError(28, "No space left on device"), path)
