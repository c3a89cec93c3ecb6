"""One server per PostgreSQL database: two would evaluate every alert twice and send each message twice.

The lock on the data folder (monitor/server/data_lock.py) cannot tell: another host has another folder. This one is an advisory
lock of PostgreSQL, which ends with the connection that holds it, however the process ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import DatabaseError

from monitor.database.engine import WAIT_SECONDS, DatabaseTaken, LockPurpose
from monitor.postgresql.errors import brief, explain

log = logging.getLogger(__name__)

KEYS: dict[LockPurpose, int] = {
    "server": int.from_bytes(b"gpumon", "big"),
    "migration": int.from_bytes(b"gpumon2", "big"),
}
"""PostgreSQL keeps advisory locks per database, each under a number that programs agree on."""
_POLL_SECONDS = 0.25
_KEEP_ALIVE = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
"""For PostgreSQL's end: the lock of a host that lost its network is released within a minute, and not after two hours."""
_HOLDER = """
SELECT a.application_name, host(a.client_addr) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (l.classid::bigint << 32) + l.objid::bigint = %s
"""


class AdvisoryLock:
    """Held from `acquire` to `release`, on a connection of its own. Used from any thread."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], place: str, key: int) -> None:
        """`connect`: with autocommit. `place`: `host:port`, for messages. `key`: one of KEYS."""
        self._connect, self._place, self._key = connect, place, key
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        self._problem: str | None = None

    def acquire(
        self,
        *,
        wait_seconds: float = WAIT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wait for another server to exit. Raises DatabaseTaken if it does not in time, and Django's database errors."""
        deadline = monotonic() + wait_seconds
        has_logged = False
        while (holder := self._take_for_django()) is not None:
            if monotonic() >= deadline:
                raise DatabaseTaken(f"another server{holder} uses the database of PostgreSQL at {self._place}")
            if not has_logged:
                log.info("another server%s still uses the database; waiting up to %g s", holder, wait_seconds)
                has_logged = True
            sleep(_POLL_SECONDS)

    def check(self) -> str | None:
        """Take the lock again if its connection was lost. Returns what is wrong, or None; the log also says where."""
        try:
            holder = self._take()
        except psycopg.Error as error:
            return self._note(brief(error), explain(error, self._place))
        if holder is None:
            return self._note(None, "")
        text = "another server has taken over the database: alerts are sent twice until one of the two is stopped"
        return self._note(text, f"{text}{holder}")

    def _note(self, problem: str | None, record: str) -> str | None:
        if problem is not None and problem != self._problem:
            log.error("%s", record)
        elif problem is None and self._problem is not None:
            log.info("recovered: PostgreSQL at %s answers", self._place)
        self._problem = problem
        return problem

    def release(self) -> None:
        """Close the connection."""
        with self._lock:
            self._forget()

    def _take_for_django(self) -> str | None:
        try:
            return self._take()
        except psycopg.Error as error:
            raise DatabaseError(str(error)) from error

    def _take(self) -> str | None:
        """None if the lock is held by this server, else who holds it: ` (name, address)`, or an empty text."""
        with self._lock:
            try:
                if self._connection is not None:
                    self._connection.execute("SELECT 1")
                    return None
                return self._take_anew()
            except psycopg.Error:
                self._forget()
                raise

    def _take_anew(self) -> str | None:
        made = self._connection = self._connect()
        made.execute(_KEEP_ALIVE)
        row = made.execute("SELECT pg_try_advisory_lock(%s)", (self._key,)).fetchone()
        if row == (True,):
            return None
        holder = made.execute(_HOLDER, (self._key,)).fetchone()
        self._forget()
        known = [part for part in holder or () if part]
        return f" ({', '.join(known)})" if known else ""

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
