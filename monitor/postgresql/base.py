"""Django's PostgreSQL engine (settings.DATABASES), for a server that can restart, hang or go away while gpumon runs.

A lost connection is made again at the next use outside a transaction. Nothing waits without a limit: connecting, locks,
statements and answers each have one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from django.db.migrations.recorder import MigrationRecorder

from monitor.config.database_url import place
from monitor.database.engine import LockPurpose
from monitor.postgresql import fence
from monitor.postgresql.breaker import breaker_of
from monitor.postgresql.connection import TimedConnection
from monitor.postgresql.engine_locks import EngineLocks
from monitor.postgresql.errors import brief, explain
from monitor.postgresql.initialized import is_initialized, lost, set_initialized
from monitor.postgresql.server_lock import KEYS, AdvisoryLock

CONNECT_SECONDS = 5
LEAST_CONNECT_SECONDS = 2
"""libpq's own minimum."""
ANSWER_SECONDS = 10.0
"""How long a statement can take. The pages' own take milliseconds."""
LEAST_STATEMENT_SECONDS = 2
"""For threads that wait less for locks: a server under load is not one that hangs."""
GRACE_SECONDS = 1.0
"""The server ends a slow statement itself, and this much later the client closes the connection, because the server hangs."""
LOCK_ANSWER_SECONDS = 5.0
IDLE_TRANSACTION_SECONDS = 60
"""After that the server ends a transaction whose client has gone silent, and releases its locks."""


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection."""

    _wait_seconds: float | None = ANSWER_SECONDS
    """None: without a limit."""

    def explain(self, error: Exception) -> str:
        return explain(error, self.place)

    def limit_waits(self, seconds: float) -> None:
        self._limit(seconds)

    def close(self) -> None:
        super().close()
        self._wait_seconds = ANSWER_SECONDS

    @contextmanager
    def without_limits(self) -> Iterator[None]:
        before = self._wait_seconds
        self._limit(None)
        try:
            yield
        finally:
            self._limit(before)

    def data_version(self) -> None:
        """PostgreSQL has no number that changes with the data."""

    def lost(self) -> str | None:
        data_dir = settings.GPU_MONITOR.data_dir
        if not is_initialized(data_dir) or MigrationRecorder(self).applied_migrations():
            return None
        return lost(self.place, self.settings_dict["NAME"], data_dir)

    def note_initialized(self) -> None:
        set_initialized(settings.GPU_MONITOR.data_dir)

    def new_server_lock(self, purpose: LockPurpose = "server") -> AdvisoryLock:
        return AdvisoryLock(self._connect_for_locks(), self.place, KEYS[purpose])

    def new_engine_locks(self) -> EngineLocks:
        """For `gpumon engine`."""
        return EngineLocks(self._connect_for_locks())

    def _connect_for_locks(self) -> Callable[[], TimedConnection]:
        params = self.get_connection_params()

        def connect() -> TimedConnection:
            made = TimedConnection.connect(**params, autocommit=True)
            made.answer_seconds = LOCK_ANSWER_SECONDS
            return made

        return connect

    def prepare(self) -> None:
        """There is nothing to set."""

    @property
    def place(self) -> str:
        """`host:port`, for messages."""
        return place(self.settings_dict["HOST"], self.settings_dict["PORT"])

    def ensure_connection(self) -> None:
        """Connect, again if the connection was lost. A transaction is not continued on another connection."""
        if self.connection is not None and not self.in_atomic_block and self.connection.closed:
            self.close()
        super().ensure_connection()

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        seconds = CONNECT_SECONDS if self._wait_seconds is None else min(CONNECT_SECONDS, self._wait_seconds)
        params["connect_timeout"] = max(LEAST_CONNECT_SECONDS, math.ceil(seconds))
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raises psycopg.OperationalError, which Django wraps, in one line that names no host."""
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        breaker = breaker_of(self.place)
        if not breaker.may_try():
            raise psycopg.OperationalError("PostgreSQL does not answer")
        try:
            made = TimedConnection.connect(**conn_params)
        except psycopg.OperationalError as error:
            if isinstance(error, psycopg.errors.ConnectionTimeout):
                breaker.hangs()
            else:
                breaker.answers()
            raise psycopg.OperationalError(brief(error)) from error
        breaker.answers()
        made.breaker = breaker
        try:
            # Not before: an engine that takes over from now on finds this connection and ends it.
            fence.check()
        except psycopg.OperationalError:
            made.close()
            raise
        return made

    def init_connection_state(self) -> None:
        self._apply_limits()
        super().init_connection_state()

    def _limit(self, seconds: float | None) -> None:
        if seconds == self._wait_seconds:
            return
        self._wait_seconds = seconds
        if self.connection is not None and not self.connection.closed:
            self._apply_limits()

    def _apply_limits(self) -> None:
        """On this connection, and in the server by SET: a pooler in between may refuse them as options at the start."""
        connection = self.connection
        assert connection is not None
        seconds = self._wait_seconds
        lock = statement = idle = 0  # without a limit
        connection.answer_seconds = None
        if seconds is not None:
            lock, idle = max(1, round(seconds * 1000)), IDLE_TRANSACTION_SECONDS * 1000
            statement = max(lock, LEAST_STATEMENT_SECONDS * 1000)
            connection.answer_seconds = statement / 1000 + GRACE_SECONDS
        with self.wrap_database_errors, connection.cursor() as cursor:
            cursor.execute(
                f"SET statement_timeout = {statement}; SET lock_timeout = {lock}; "
                f"SET idle_in_transaction_session_timeout = {idle}"
            )
