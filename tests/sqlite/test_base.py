"""The engine notices a deleted or replaced file, and creates none where there was one before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from monitor.sqlite.initialized import set_initialized
from tests.sqlite.databases import connection_to, execute

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gpumon.sqlite3"


@pytest.fixture
def connection(path: Path) -> Iterator[Any]:
    made = connection_to(path)
    yield made
    made.close()


def test_new_database_is_closed_to_others_with_the_files_next_to_it(path: Path, connection: Any) -> None:
    """Regression: a command before the first start created it by the umask."""
    before = os.umask(0o022)
    try:
        execute(connection, "PRAGMA journal_mode = WAL")
        execute(connection, "CREATE TABLE t (x)")
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(("gpumon.sqlite3", "gpumon.sqlite3-wal", "gpumon.sqlite3-shm"), 0o600)


def test_existing_database_that_others_can_read_is_closed(path: Path, connection: Any) -> None:
    path.touch()
    path.chmod(0o644)
    execute(connection, "SELECT 1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_replaced_database_is_used_from_the_next_statement_on(path: Path, connection: Any) -> None:
    """Regression: the connection continued in the deleted file, and what it wrote was lost."""
    execute(connection, "CREATE TABLE t AS SELECT 'old' AS x")
    other = connection_to(path.with_name("other"))
    execute(other, "CREATE TABLE t AS SELECT 'new' AS x")
    other.close()
    path.with_name("other").replace(path)
    assert execute(connection, "SELECT x FROM t") == [("new",)]


def test_deleted_database_is_an_error_until_it_is_back(path: Path, connection: Any) -> None:
    execute(connection, "CREATE TABLE t AS SELECT 'kept' AS x")
    set_initialized(path)
    path.rename(path.with_name("away"))
    for _ in range(2):
        with pytest.raises(OperationalError, match=r"gpumon\.sqlite3 is missing"):
            execute(connection, "SELECT x FROM t")
    assert not path.exists(), "an empty database would be taken for a new installation"
    path.with_name("away").rename(path)
    assert execute(connection, "SELECT x FROM t") == [("kept",)]


def test_transaction_in_progress_is_not_moved_to_another_file(path: Path, connection: Any) -> None:
    execute(connection, "CREATE TABLE t (x)")
    connection.set_autocommit(False)
    connection.in_atomic_block = True
    try:
        execute(connection, "INSERT INTO t VALUES (1)")
        path.unlink()
        assert execute(connection, "SELECT x FROM t") == [(1,)]
    finally:
        connection.in_atomic_block = False


def test_database_that_cannot_be_created_is_an_error_with_its_path(tmp_path: Path) -> None:
    connection = connection_to(tmp_path / "missing" / "gpumon.sqlite3")
    with pytest.raises(OperationalError, match=r"No such file or directory: .*missing/gpumon\.sqlite3"):
        execute(connection, "SELECT 1")
