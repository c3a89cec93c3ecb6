"""Which engine of a hub has which hosts: an advisory lock of PostgreSQL for each shard, all on one connection of the engine.

They end with the connection, however the process ends: no clock decides. The same connection holds the lock of a server in shared
mode. It keeps servers of one process away from the database, and by it engines know how many of them live.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

import psycopg

from monitor.postgresql import fence
from monitor.postgresql.server_lock import KEYS

ENGINE_NAME = "gpumon engine "
"""How the `application_name` of an engine's connections begins; it goes on with the engine's own name."""
_ENGINES = KEYS["server"]
_SHARDS = int.from_bytes(b"gpum", "big")
"""The first of the two numbers of a shard's lock; the second is the shard's."""
_KEEP_ALIVE = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 4"
"""For PostgreSQL's end: the locks of an engine whose host lost its network or its power are released within ten seconds."""
_HERE = "l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
_ALIVE = (
    f"{_HERE} AND l.mode = 'ShareLock' AND l.objsubid = 1 AND (l.classid::bigint << 32) + l.objid::bigint = {_ENGINES}"
)
_OWNERS = f"""
SELECT e.pid, ARRAY(
    SELECT l.objid::int FROM pg_locks l WHERE {_HERE} AND l.objsubid = 2 AND l.classid = {_SHARDS} AND l.pid = e.pid
) FROM (SELECT l.pid FROM pg_locks l WHERE {_ALIVE}) e
"""  # noqa: S608  # numbers of this file  # nosec
_END_DEAD = f"""
SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE '{ENGINE_NAME}%' AND application_name NOT IN (
    SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE {_ALIVE}
)
"""  # noqa: S608  # nosec


class ShardLost(Exception):
    """Another engine has a shard that this one had: what this one has not written, the other reads again."""


class EngineLocks:
    """The locks of one engine. `require_alive` may be called from any thread, the rest from one."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        """`connect`: with autocommit."""
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._is_fenced = False

    @property
    def held(self) -> Collection[int]:
        """The shards of this engine."""
        return frozenset(self._held)

    def look(self) -> Mapping[int, Collection[int]]:
        """The shards of each living engine, by a number of that engine; this one's is 0. Connects again if the connection was lost.

        Raises ShardLost, and psycopg.Error if PostgreSQL does not answer or a server of one process uses the database.
        """
        with self._lock:
            try:
                connection = self._connection or self._connected()
                rows = connection.execute(_OWNERS).fetchall()
            except psycopg.Error:
                self._forget()
                raise
            mine = connection.info.backend_pid
        return {0 if pid == mine else pid: shards for pid, shards in rows}

    def take(self, shard: int) -> bool:
        """Take the lock of a shard if no engine has it, and end the connections of dead engines. Whether it is held now.

        From the first one on, this process connects only while its locks hold (fence.py), so that it cannot write once another
        engine has taken over. Raises psycopg.Error.
        """
        with self._lock:
            connection = self._of_now()
            try:
                if not _locks(connection, shard):
                    return False
                connection.execute(_END_DEAD)
            except psycopg.Error:
                self._forget()
                raise
            self._held.add(shard)
        if not self._is_fenced:
            self._is_fenced = True
            fence.require(self.require_alive)
        return True

    def give_up(self, shard: int) -> None:
        """Everything of this shard is written. Raises psycopg.Error."""
        with self._lock:
            self._held.discard(shard)
            try:
                self._of_now().execute("SELECT pg_advisory_unlock(%s, %s)", (_SHARDS, shard))
            except psycopg.Error:
                self._forget()
                raise

    def require_alive(self) -> None:
        """Raises psycopg.OperationalError unless the connection with the locks lives."""
        with self._lock:
            try:
                self._of_now().execute("SELECT 1")
            except psycopg.Error:
                self._forget()
                raise

    def release(self) -> None:
        """Give up everything, by closing the connection."""
        with self._lock:
            self._held.clear()
            self._forget()

    def _of_now(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise psycopg.OperationalError("another engine may have taken over")
        return self._connection

    def _connected(self) -> psycopg.Connection[Any]:
        made = self._connection = self._connect()
        made.execute(_KEEP_ALIVE)
        if made.execute("SELECT pg_try_advisory_lock_shared(%s)", (_ENGINES,)).fetchone() != (True,):
            raise psycopg.OperationalError("a server without GPU_MONITOR_REDIS_URL uses the database")
        for shard in self._held:
            if not _locks(made, shard):
                raise ShardLost
        return made

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _locks(connection: psycopg.Connection[Any], shard: int) -> bool:
    return connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_SHARDS, shard)).fetchone() == (True,)
