"""The stage that stores readings of all hosts as history, in a thread of its own: everything new once a minute.

With many hosts it works in small steps: Python runs one thread at a time, so a long one would delay what viewers see. What the
database cannot take waits in memory. Only the recorder writes chunks, so reading them back is safe at any time.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError

from monitor.database.engine import engine_of
from monitor.history import gaps, store
from monitor.history.buckets import Buckets, empty
from monitor.history.database import begin_anew, history_connection, prepare
from monitor.history.pruning import Retention, prune
from monitor.history.recorded_host import Pause, RecordedHost
from monitor.history.store import OWN
from monitor.logs.lasting_problem import LastingProblem
from monitor.models import HistorySource
from monitor.shards import EVERY_HOST, Shard
from monitor.sqlite.errors import is_damage
from monitor.steady_clock import SteadyClock
from monitor.telemetry.freshness import has_plausible_time
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
RETRY_SECONDS = 5.0
LOOK_SECONDS = 2.0
"""Interval at which the waiting snapshots are read. Pages that ask for buckets have them read at once."""
FILE_SECONDS = 10.0
"""Interval between two looks at the file. After it was damaged or deleted, reading it fails until the next look."""
PRUNE_SECONDS = 3600.0
"""Also how long the clock must have run steadily before anything is deleted: a wrong date must not delete the history."""
PRUNE_PAUSE_SECONDS = 0.05
LEAST_HOSTS, LOOKS = 8, 20
"""Of a transaction: at least this many hosts, and enough to write all hosts in this many looks."""
CLOSE_SECONDS = 0.2
"""For how long chunks are closed in one look: 300 hosts take a minute or two of the ten minutes that there are."""
WAIT_SECONDS = 1.0
"""How long this thread waits for the database at a time."""
LAST_ATTEMPTS = 3
"""At the end of the process."""
_CLOSE_AFTER_SECONDS = 5.0
"""A chunk is closed when its span has been over for so long: its last reading has been written."""


class HistorySettings(NamedTuple):
    """What the recorder needs of the settings; they can change at any time."""

    is_on: bool = True
    retention: Retention = Retention((7.0, 90.0, 1095.0), 512 << 20)


class HistoryRecorder:
    """`work` is what the thread does; a test can call it instead of starting the thread."""

    name = "history"

    def __init__(
        self,
        options: Callable[[], HistorySettings] = HistorySettings,
        *,
        shard: Shard = EVERY_HOST,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`shard`: the hosts that it stores. The recorder of the first one deletes what is too old, of all."""
        self._options = options
        self._shard = shard
        self._clock, self._monotonic = clock, monotonic
        self._hosts = {OWN: RecordedHost(OWN)}
        """By host id."""
        self._has_begun = False
        """This run has written to the database."""
        self._pause: Pause | None = None
        """Before this run."""
        self._was_off = False
        self._is_suspect = False
        self._write_at = monotonic() + WRITE_SECONDS
        self._to_write: list[RecordedHost] = []
        """Hosts that are due, in this round."""
        self._began_at = 0.0
        """When this round began: all that is older has been written at its end."""
        self._closing: Iterator[None] | None = None
        """What is left to do to close the chunks that are over."""
        self._file_at = self._prune_at = 0.0
        self._steady = SteadyClock(clock, monotonic)
        self._problem: str | None = None
        self._lasting = LastingProblem(log, monotonic=monotonic)
        self._prepared: object = None
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    # ── From other threads ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """Queue the next snapshot of this server's own host."""
        if self._options().is_on:
            self._hosts[OWN].take(snapshot)

    def take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None = None) -> None:
        """Queue the next snapshot of another host."""
        if not self._options().is_on or not snapshot.host_id:
            return
        host = self._hosts.get(snapshot.host_id)
        if host is None:
            host = self._hosts[snapshot.host_id] = RecordedHost(snapshot.host_id)
        if has_plausible_time(snapshot, self._clock()):
            host.take(snapshot, is_late=is_late)
        else:
            host.live.refuse()

    def stop(self, seconds: float = 5.0) -> None:
        """Write everything and end the thread. Returns when it has ended or the time is up."""
        self._is_stopping.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    @property
    def problem(self) -> str | None:
        if self._thread.ident is not None and not self._thread.is_alive() and not self._is_stopping.is_set():
            return "the history recorder's thread has ended"
        return self._problem

    @property
    def has_ended(self) -> bool:
        """Nothing is written any more."""
        return not self._thread.is_alive()

    def open_buckets(self, source_key: str, names: Collection[str], host_id: str = OWN) -> Buckets:
        """The newest seconds of a source, which are not in the database yet (`store.HOST` or a GPU's UUID). Late readings are seen
        when they are written.

        Ask for them before reading the database, and prefer what is there: they may be written in between.
        """
        host = self._hosts.get(host_id)
        return empty() if host is None else host.live.open_buckets(source_key, names)

    def look_for_damage(self) -> None:
        """A reader found the database damaged: check it soon, and begin a new one if it is. Writes may not notice."""
        self._is_suspect = True

    # ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._is_stopping.wait(LOOK_SECONDS):
            self.work()
        self.close()

    def close(self) -> None:
        """Write everything, now."""
        try:
            for _each in range(LAST_ATTEMPTS if self._options().is_on else 0):
                if self._attempt(self._write_all):
                    break
        except Exception as error:
            log.exception("readings could not be stored")
            self._problem = f"readings cannot be stored ({type(error).__name__}: {error})"
        history_connection().close()

    def work(self) -> None:
        """Everything that is due now. An error becomes the problem, and does not end the thread."""
        try:
            self._work()
        except Exception as error:
            problem = f"readings cannot be stored ({type(error).__name__}: {error})"
            if problem != self._problem:
                log.exception("readings could not be stored")
            self._problem = problem

    def _work(self) -> None:
        if not self._options().is_on:
            self._turn_off()
            return
        steady_seconds = self._steady.steady_seconds()
        if self._is_suspect:
            self._is_suspect = False
            self._attempt(self._check)
        self._read_waiting()
        if self._to_write or self._monotonic() >= self._write_at:
            if not self._to_write:
                self._begin_round()
            if not self._attempt(self._write):
                self._drop_excess()
            elif not self._to_write:
                self._end_round(steady_seconds)
        elif self._monotonic() >= self._file_at:
            self._file_at = self._monotonic() + FILE_SECONDS
            self._look_at_file()
        if self._closing is not None:
            self._attempt(self._close_some)

    def _begin_round(self) -> None:
        self._to_write = self._begun_hosts()
        self._began_at = self._clock()
        self._write_at = self._monotonic() + WRITE_SECONDS

    def _end_round(self, steady_seconds: float) -> None:
        """All hosts are written."""
        if self._closing is None:
            self._closing = store.close_chunks(self._began_at - _CLOSE_AFTER_SECONDS, self._shard)
        if self._shard.is_first and steady_seconds >= PRUNE_SECONDS and self._monotonic() >= self._prune_at:
            self._attempt(self._prune)
            self._prune_at = self._monotonic() + PRUNE_SECONDS

    def _begun_hosts(self) -> list[RecordedHost]:
        """Those of which snapshots have come."""
        return [host for host in [*self._hosts.values()] if host.first_at is not None]

    def _drop_excess(self) -> None:
        hosts = [*self._hosts.values()]
        source_count = sum(host.source_count for host in hosts)
        for host in hosts:
            host.drop_excess(source_count)

    def _read_waiting(self) -> None:
        for host in [*self._hosts.values()]:
            host.read_waiting()

    def _turn_off(self) -> None:
        if not self._was_off:
            self._attempt(self._write_all)
            self._to_write, self._closing = [], None
        for host in [*self._hosts.values()]:
            host.clear()
        self._was_off, self._has_begun = True, False
        self._problem = None

    # ── The database ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _write_all(self) -> None:
        """All hosts, also the current second of each source."""
        self._to_write = self._begun_hosts()
        while self._to_write:
            self._write(is_last=True)

    def _write(self, *, is_last: bool = False) -> None:
        """Some of the hosts that are due, in one transaction."""
        hosts = self._to_write[: max(LEAST_HOSTS, len(self._hosts) // LOOKS + 1)]
        if not hosts:
            return
        now = self._clock()
        if not self._has_begun:
            self._begin(self._hosts[OWN].first_at or now)
        batches = [host.batch(self._pause, now=now, is_last=is_last) for host in hosts]
        store.write(
            [written for batch in batches for written in batch.written],
            [row for batch in batches for row in batch.gaps],
            [batch.filled for batch in batches if batch.filled is not None],
        )
        for host, batch in zip(hosts, batches, strict=True):
            host.wrote(batch)
        del self._to_write[: len(hosts)]

    def _close_some(self) -> None:
        """Close chunks for a while, or until all that are over are closed."""
        assert self._closing is not None
        until = self._monotonic() + CLOSE_SECONDS
        for _step in self._closing:
            self._read_waiting()
            if self._is_stopping.is_set() or self._monotonic() >= until:
                return
        self._closing = None

    def _begin(self, began_at: float) -> None:
        """Note until when an earlier run, or this one before the history was switched off, has recorded."""
        last = store.last_moment(shard=self._shard)
        reason = gaps.NOT_RECORDED if self._was_off else gaps.NOT_RUNNING
        self._pause = None if last is None else Pause(last, began_at, reason)
        self._was_off, self._has_begun = False, True

    def _look_at_file(self) -> None:
        """Replace a damaged file, and fill one that was deleted and is empty now, before the next write would."""
        if history_connection().vendor != "sqlite":
            return
        try:
            self._wait_little()
            HistorySource.objects.exists()
        except (DatabaseError, sqlite3.Error, OSError) as error:
            if is_damage(error) or _lacks_tables(error):
                self._failed(error)

    def _check(self) -> None:
        database = history_connection()
        if database.vendor != "sqlite":
            return
        with database.cursor() as cursor:
            cursor.execute("PRAGMA quick_check(1)")
            is_whole = cursor.fetchone() == ("ok",)
        if not is_whole:
            begin_anew(database)
            prepare()

    def _prune(self) -> None:
        for _step in prune(self._clock(), self._options().retention):
            if self._is_stopping.wait(PRUNE_PAUSE_SECONDS):
                return
            self._read_waiting()

    def _attempt(self, do: Callable[[], None]) -> bool:
        """Do it and return whether it worked. A failure becomes the problem, and does not end the thread."""
        try:
            self._wait_little()
            do()
        except (DatabaseError, InterfaceError, sqlite3.Error, OSError) as error:
            self._failed(error)
            return False
        self._problem = None
        self._lasting.is_over("recovered: readings are stored again")
        return True

    def _failed(self, error: Exception) -> None:
        """Say why, and try again soon. A damaged file makes room for a new one; one without tables gets them."""
        database = history_connection()
        self._to_write, self._closing = [], None
        self._write_at = self._monotonic() + RETRY_SECONDS
        self._note(error)
        database.close()
        try:
            if is_damage(error):
                begin_anew(database)
            if is_damage(error) or _lacks_tables(error):
                prepare()
        except (DatabaseError, sqlite3.Error, OSError) as another:
            self._note(another)
        finally:
            database.close()

    def _note(self, error: Exception) -> None:
        """Where the database is, is only in the log."""
        self._problem = f"readings cannot be stored now, and wait ({error})"
        self._lasting.noticed(
            f"readings cannot be stored now, and wait: {engine_of(history_connection()).explain(error)}"
        )

    def _wait_little(self) -> None:
        """Wait little. After connecting, read the sources again, for it may be another database."""
        database = history_connection()
        engine_of(database).limit_waits(WAIT_SECONDS)
        database.ensure_connection()
        if database.connection is not self._prepared:
            for host in [*self._hosts.values()]:
                host.forget_rows()
            self._prepared = database.connection


def _lacks_tables(error: Exception) -> bool:
    return "no such table" in str(error)
