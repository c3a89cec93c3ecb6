"""What tells a thread that polls the database whether it has to query it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sqlite.databases import connection_to, execute

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    made = connection_to(tmp_path / "gpumon.sqlite3")
    execute(made, "CREATE TABLE t (x)")
    yield made
    made.close()


def test_version_differs_after_every_change_and_only_then(connection: Any, tmp_path: Path) -> None:
    first = connection.data_version()
    assert execute(connection, "SELECT * FROM t") == []
    assert connection.data_version() == first
    execute(connection, "INSERT INTO t VALUES (1)")
    own = connection.data_version()
    assert own != first
    other = connection_to(tmp_path / "gpumon.sqlite3")
    execute(other, "UPDATE t SET x = 2")
    other.close()
    assert connection.data_version() != own


def test_version_differs_in_another_file_and_after_connecting_again(connection: Any, tmp_path: Path) -> None:
    first = connection.data_version()
    connection.close()
    second = connection.data_version()
    assert second != first
    other = connection_to(tmp_path / "other")
    execute(other, "CREATE TABLE t (x)")
    other.close()
    (tmp_path / "other").replace(tmp_path / "gpumon.sqlite3")
    assert connection.data_version() != second
