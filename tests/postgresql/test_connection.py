"""The engine for PostgreSQL: a server that restarts, hangs, holds a lock or is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import psycopg
import pytest
from django.db import DatabaseError, OperationalError

from monitor.postgresql.breaker import breaker_of
from tests.postgresql.cluster import Cluster
from tests.postgresql.databases import ask, connection_to

pytestmark = pytest.mark.slow


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Any]:
    made = connection_to(cluster.url())
    yield made
    made.close()


def test_connection_broken_by_a_restart_is_made_again(cluster: Cluster, connection: Any) -> None:
    assert ask(connection, "SELECT 1") == [(1,)]
    cluster.stop()
    cluster.start()
    with pytest.raises(DatabaseError) as raised:
        ask(connection, "SELECT 1")
    assert "\n" not in str(raised.value)
    assert ask(connection, "SELECT 2") == [(2,)]


def test_broken_transaction_is_not_continued_on_another_connection(cluster: Cluster, connection: Any) -> None:
    ask(connection, "SELECT 1")
    connection.set_autocommit(False)
    connection.in_atomic_block = True
    cluster.stop()
    cluster.start()
    for _ in range(2):
        with pytest.raises(DatabaseError):
            ask(connection, "SELECT 1")
    connection.in_atomic_block = False


def test_hanging_server_is_given_up_after_the_limit(
    cluster: Cluster, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process: its kernel still acknowledges what is sent, and accepts connections."""
    connection.limit_waits(0.1)
    ask(connection, "SELECT 1")
    cluster.freeze()
    with pytest.raises(OperationalError, match=r"^PostgreSQL did not answer within 3 s$"):
        ask(connection, "SELECT 1")
    for _ in range(50):  # pages do not wait for it once more
        with pytest.raises(OperationalError, match=r"^PostgreSQL does not answer$") as raised:
            ask(connection, "SELECT 1")
    assert connection.explain(raised.value) == f"PostgreSQL at 127.0.0.1:{cluster.port} does not answer"
    cluster.freeze(is_frozen=False)
    monkeypatch.setattr("monitor.postgresql.breaker.PAUSE_SECONDS", 0.0)
    breaker_of(connection.place).hangs()
    assert ask(connection, "SELECT 3") == [(3,)]


def test_limits_end_with_the_connection(connection: Any) -> None:
    limits = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    assert ask(connection, limits) == [("10s", "10s")]
    connection.limit_waits(0.5)
    assert ask(connection, limits) == [("500ms", "2s")]
    with connection.without_limits():
        assert ask(connection, limits) == [("0", "0")]
    assert ask(connection, limits) == [("500ms", "2s")]
    connection.close()
    assert ask(connection, limits) == [("10s", "10s")]


def test_lock_of_another_program_is_waited_for_a_short_time(cluster: Cluster, connection: Any) -> None:
    cluster.run("CREATE TABLE IF NOT EXISTS locked (x int)")
    connection.limit_waits(0.05)
    with psycopg.connect(cluster.url()) as holder:
        holder.execute("LOCK TABLE locked")
        with pytest.raises(OperationalError) as raised:
            ask(connection, "SELECT * FROM locked")
    assert "waited too long for a lock" in connection.explain(raised.value)
    assert ask(connection, "SELECT * FROM locked") == []


def test_server_that_is_not_there_is_named_in_the_log_and_not_to_viewers(cluster: Cluster, connection: Any) -> None:
    cluster.stop()
    with pytest.raises(OperationalError) as raised:
        ask(connection, "SELECT 1")
    assert str(raised.value) == "PostgreSQL does not answer"
    said = connection.explain(raised.value)
    assert said.startswith(f"PostgreSQL at 127.0.0.1:{cluster.port} does not answer: ")
    assert "refused" in said
    assert "SQLite" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "a-wrong-password"}, "refuses the user or the password"),
        ({"name": "absent"}, "has no database of this name"),
        ({"host": "gpumon.invalid"}, "does not answer"),
    ],
)
def test_refusals_say_what_to_do_and_never_the_password(cluster: Cluster, change: dict[str, str], said: str) -> None:
    connection = connection_to(cluster.url(**change))
    with pytest.raises(OperationalError) as raised:
        ask(connection, "SELECT 1")
    assert said in connection.explain(raised.value)
    for text in (str(raised.value), connection.explain(raised.value), repr(raised.value.__cause__)):
        assert change.get("password", "cluster-password") not in text


def test_standby_is_refused(cluster: Cluster) -> None:
    cluster.run("CREATE DATABASE standby")
    cluster.run("ALTER DATABASE standby SET default_transaction_read_only = on")
    connection = connection_to(cluster.url("standby"))
    with pytest.raises(OperationalError) as raised:
        ask(connection, "SELECT 1")
    assert "must lead to the primary server" in connection.explain(raised.value)


def test_unix_socket(cluster: Cluster) -> None:
    connection = connection_to(cluster.socket_url("postgres"))
    try:
        assert ask(connection, "SELECT inet_client_addr()") == [(None,)]
        assert connection.place == f"{cluster.folder}, port {cluster.port}"
    finally:
        connection.close()


def test_tables_that_were_there_before_are_missed(cluster: Cluster, tmp_path: Any, settings: Any) -> None:
    connection = connection_to(cluster.new_database("emptied"))
    with mock.patch.object(settings, "GPU_MONITOR", settings.GPU_MONITOR.model_copy(update={"data_dir": tmp_path})):
        assert connection.lost() is None
        connection.note_initialized()
        said = connection.lost()
    connection.close()
    assert said is not None
    assert said.startswith(f"the database emptied of PostgreSQL at 127.0.0.1:{cluster.port} has no tables of gpumon")
    assert str(tmp_path / "initialized-postgresql") in said
