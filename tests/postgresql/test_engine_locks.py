"""How engines share the hosts: the locks of the shards, and what an engine can do that has lost them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import psycopg
import pytest
from django.db import DatabaseError

from monitor.database.engine import DatabaseTaken
from monitor.postgresql import fence
from monitor.postgresql.engine_locks import EngineLocks, ShardLost
from tests.postgresql.cluster import Cluster
from tests.postgresql.databases import ask, connection_to
from tests.support.servers import wait_for

pytestmark = pytest.mark.slow


class Engines(NamedTuple):
    first: EngineLocks
    second: EngineLocks
    urls: tuple[str, str]
    requirements: list[Callable[[], None]]
    """What the engines, which are one process here, require of it."""


@pytest.fixture
def engines(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    requirements: list[Callable[[], None]] = []
    monkeypatch.setattr(fence, "require", requirements.append)
    urls = [f"{cluster.url()}?application_name=gpumon+engine+{name}" for name in ("first", "second")]
    with ExitStack() as stack:
        locks = [connection_to(url).new_engine_locks() for url in urls]
        for each in locks:
            stack.callback(each.release)
        yield Engines(*locks, (urls[0], urls[1]), requirements)


def end_locks_of(cluster: Cluster, name: str) -> None:
    cluster.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        f"WHERE locktype = 'advisory' AND application_name = 'gpumon engine {name}'"
    )


def test_each_shard_has_one_engine_and_every_engine_sees_which(engines: Engines) -> None:
    first, second = engines.first, engines.second
    assert first.look() == {0: []}
    assert first.take(2)
    assert first.take(3)
    owners = second.look()
    assert owners.pop(0) == []
    assert [sorted(shards) for shards in owners.values()] == [[2, 3]]
    assert not second.take(2)
    first.give_up(2)
    assert second.take(2)
    assert (first.held, second.held) == ({3}, {2})
    second.release()
    wait_for(lambda: first.look() == {0: [3]}, "the end of the second engine")


def test_engine_and_server_of_one_process_exclude_each_other(cluster: Cluster, engines: Engines) -> None:
    server = connection_to(cluster.url()).new_server_lock()
    try:
        server.acquire(wait_seconds=0)
        with pytest.raises(psycopg.OperationalError, match="a server without GPU_MONITOR_REDIS_URL uses the database"):
            engines.first.look()
        server.release()

        def looks() -> bool:
            try:
                return bool(engines.first.look())
            except psycopg.OperationalError:  # PostgreSQL ends a connection a moment after the client
                return False

        wait_for(looks, "the engine")
        with pytest.raises(DatabaseTaken):
            server.acquire(wait_seconds=0)
    finally:
        server.release()


def test_engine_that_has_lost_its_locks_can_write_no_more(cluster: Cluster, engines: Engines) -> None:
    """Its network may be back, and it does not know yet that another engine has taken over."""
    first, second = engines.first, engines.second
    first.look()
    assert first.take(0)
    second.look()
    assert second.take(1)
    writing, of_second = (connection_to(url) for url in engines.urls)
    assert ask(writing, "SELECT 1") == ask(of_second, "SELECT 1") == [(1,)]
    for required in engines.requirements:
        required()
    end_locks_of(cluster, "first")
    assert second.take(0)
    with pytest.raises(DatabaseError):
        ask(writing, "SELECT 1")
    assert ask(of_second, "SELECT 1") == [(1,)]
    with pytest.raises(psycopg.OperationalError):
        engines.requirements[0]()
    engines.requirements[1]()
    with pytest.raises(ShardLost):
        first.look()
    writing.close()
    of_second.close()


def test_engine_takes_its_shards_again_after_a_restart_of_postgresql(cluster: Cluster, engines: Engines) -> None:
    first = engines.first
    first.look()
    assert first.take(1)
    cluster.stop()
    with pytest.raises(psycopg.OperationalError):
        first.look()
    with pytest.raises(psycopg.OperationalError):
        engines.requirements[0]()
    cluster.start()
    assert first.look() == {0: [1]}
    engines.requirements[0]()


def test_connection_that_was_made_while_the_locks_were_lost_is_closed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise psycopg.OperationalError("another engine may have taken over")

    monkeypatch.setattr(fence, "check", refuse)
    with pytest.raises(DatabaseError, match="another engine may have taken over"):
        ask(connection_to(f"{cluster.url()}?application_name=late"), "SELECT 1")
    wait_for(
        lambda: cluster.run("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'late'").strip() == "0",
        "the end of the connection",
    )
