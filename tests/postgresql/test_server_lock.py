"""One server per database, across hosts: the advisory lock."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.database.engine import DatabaseTaken
from tests.postgresql.cluster import Cluster
from tests.postgresql.databases import connection_to
from tests.support.servers import wait_for

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def lock_of(url: str) -> Iterator[Any]:
    lock = connection_to(url).new_server_lock()
    try:
        yield lock
    finally:
        lock.release()


def test_second_server_waits_and_is_refused_with_the_name_of_the_first(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    with lock_of(f"{cluster.url()}?application_name=gpumon+on+first") as first, lock_of(cluster.url()) as second:
        first.acquire()
        with caplog.at_level(logging.INFO), pytest.raises(DatabaseTaken) as raised:
            second.acquire(wait_seconds=1.0, monotonic=lambda: sum(pauses), sleep=pauses.append)
        assert str(raised.value) == (
            f"another server (gpumon on first, 127.0.0.1) uses the database of PostgreSQL at 127.0.0.1:{cluster.port}"
        )
        assert caplog.text.count("waiting up to 1 s") == 1
        first.release()
        second.acquire(wait_seconds=0)


def test_servers_with_databases_of_their_own_share_a_cluster(cluster: Cluster) -> None:
    with lock_of(cluster.url()) as first, lock_of(cluster.new_database("of_another_host")) as second:
        first.acquire(wait_seconds=0)
        second.acquire(wait_seconds=0)
        assert first.check() is second.check() is None


def test_lock_lost_by_a_restart_is_taken_again(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    with lock_of(cluster.url()) as lock, lock_of(cluster.url()) as other:
        lock.acquire()
        cluster.stop()
        with caplog.at_level(logging.INFO):
            assert lock.check() == "PostgreSQL closed the connection"
            assert lock.check() == "PostgreSQL does not answer"
            cluster.start()
            assert lock.check() is None
        assert f"PostgreSQL at 127.0.0.1:{cluster.port} does not answer: " in caplog.text
        assert "recovered: PostgreSQL at" in caplog.text
        with pytest.raises(DatabaseTaken):
            other.acquire(wait_seconds=0)


def test_database_taken_over_meanwhile_is_a_problem(cluster: Cluster) -> None:
    with lock_of(cluster.url()) as lock, lock_of(cluster.url()) as other:
        lock.acquire()
        cluster.stop()
        lock.check()
        cluster.start()
        other.acquire(wait_seconds=0)
        assert "another server has taken over the database" in lock.check()
        other.release()  # by ending its connection, which the server notices a moment later
        wait_for(lambda: lock.check() is None, "the lock to be taken back")
