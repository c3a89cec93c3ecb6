"""The stage that stores readings as history, in a thread of its own: everything new once a minute, in one transaction.

What the database cannot take waits in memory. Only the recorder writes chunks, so reading them back is safe at any time.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError

from monitor.database.engine import engine_of
from monitor.history import gaps, store
from monitor.history.buckets import Buckets
from monitor.history.database import begin_anew, history_connection, prepare
from monitor.history.gaps import Gap
from monitor.history.intake import Intake, Unwritten
from monitor.history.pruning import Retention, prune
from monitor.history.store import HOST, Written
from monitor.logs.lasting_problem import LastingProblem
from monitor.models import HistoryGap, HistorySource
from monitor.sqlite.errors import is_damage
from monitor.steady_clock import SteadyClock
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
SAVE_SECONDS = 600
"""Interval at which the end of a source's last bucket is written down."""
RETRY_SECONDS = 5.0
LOOK_SECONDS = 2.0
"""Interval at which the waiting snapshots are read. Pages that ask for buckets have them read at once."""
FILE_SECONDS = 10.0
"""Interval between two looks at the file. After it was damaged or deleted, reading it fails until the next look."""
PRUNE_SECONDS = 3600.0
"""Also how long the clock must have run steadily before anything is deleted: a wrong date must not delete the history."""
PRUNE_PAUSE_SECONDS = 0.05
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
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._clock, self._monotonic = clock, monotonic
        self._intake = Intake()
        self._rows: dict[str, HistorySource] | None = None
        """None: not yet read."""
        self._saved: dict[str, tuple[object, ...]] = {}
        """What was last saved of each row."""
        self._gap_rows: dict[str | None, HistoryGap] = {}
        """The last row of each source: a gap that goes on changes its end."""
        self._was_off = False
        self._is_suspect = False
        self._first_at: float | None = None
        """When the first snapshot was made."""
        self._booted_at: float | None = None
        self._write_at = monotonic() + WRITE_SECONDS
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
        """Queue the next snapshot."""
        if not self._options().is_on:
            return
        if self._first_at is None:
            self._first_at = snapshot.time
            self._booted_at = snapshot.system.booted_at if snapshot.system else None
        self._intake.take(snapshot)

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

    def open_buckets(self, source_key: str, names: Collection[str]) -> Buckets:
        """The newest seconds of a source, which are not in the database yet (`store.HOST` or a GPU's UUID).

        Ask for them before reading the database, and prefer what is there: they may be written in between.
        """
        return self._intake.open_buckets(source_key, names)

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
                if self._attempt(lambda: self._write(is_last=True)):
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
        self._intake.read_waiting()
        if self._monotonic() < self._write_at:
            if self._monotonic() >= self._file_at:
                self._file_at = self._monotonic() + FILE_SECONDS
                self._look_at_file()
            return
        if self._attempt(self._write):
            self._write_at = self._monotonic() + WRITE_SECONDS
            if steady_seconds >= PRUNE_SECONDS and self._monotonic() >= self._prune_at:
                self._attempt(self._prune)
                self._prune_at = self._monotonic() + PRUNE_SECONDS
        else:
            self._write_at = self._monotonic() + RETRY_SECONDS
            self._intake.drop_excess()

    def _turn_off(self) -> None:
        if not self._was_off and self._first_at is not None:
            self._attempt(lambda: self._write(is_last=True))
        self._intake.clear()
        self._was_off, self._first_at, self._rows = True, None, None
        self._problem = None

    # ── The database ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, *, is_last: bool = False) -> None:
        if self._first_at is None:
            return
        if self._rows is None:
            self._rows = self._opened(self._first_at)
            self._saved.clear()
            self._gap_rows.clear()
        unwritten, new_gaps = self._intake.unwritten(is_last=is_last)
        rows = [self._row(self._rows, each) for each in unwritten]
        saved: dict[str, tuple[object, ...]] = {
            row.key: (row.name, row.index, row.limits, row.last_at // SAVE_SECONDS) for row in rows
        }
        changed = [self._gap_row(self._rows, key, gap) for key, gap in new_gaps]
        store.write(
            [
                Written(row, parts, is_last or saved[key] != self._saved.get(key))
                for row, (key, _facts, parts) in zip(rows, unwritten, strict=True)
            ],
            changed,
        )
        self._saved = saved
        self._gap_rows.update({key: row for (key, _gap), row in zip(new_gaps, changed, strict=True)})
        self._intake.forget(unwritten, new_gaps)
        store.close_chunks(self._clock() - _CLOSE_AFTER_SECONDS)

    def _opened(self, first_at: float) -> dict[str, HistorySource]:
        """The sources of earlier runs. The time since then is a gap."""
        last = store.last_moment()
        if last is not None and self._was_off:
            self._intake.add_gap(None, Gap(last, int(first_at), gaps.NOT_RECORDED))
        elif last is not None:
            for gap in gaps.since_the_last_run(last, first_at, self._booted_at):
                self._intake.add_gap(None, gap)
        self._was_off = False
        rows = {row.key: row for row in store.sources()}
        newest = max((row.last_at for row in rows.values()), default=0)
        self._intake.expect(
            row.key for row in rows.values() if row.kind != HOST and row.last_at >= newest - 2 * SAVE_SECONDS
        )
        return rows

    def _row(self, rows: dict[str, HistorySource], unwritten: Unwritten) -> HistorySource:
        key, facts, parts = unwritten
        row = rows.get(key)
        if row is None:
            row = HistorySource(key=key, kind=HOST if key == HOST else "gpu")
            row.first_at = row.last_at = parts[0].starts[0] if parts else int(self._clock())
            rows[key] = row
        if facts.name:
            row.name, row.index, row.limits = facts.name[:200], facts.gpu_index, facts.limits
        if parts:
            row.last_at = parts[-1].starts[-1] + 1
        return row

    def _gap_row(self, rows: dict[str, HistorySource], key: str | None, gap: Gap) -> HistoryGap:
        row = self._gap_rows.get(key)
        source = None if key is None else rows.get(key)
        if row is None or (row.start, row.reason) != (gap.start, gap.reason):
            row = store.find_gap(source, gap.start, gap.reason) or HistoryGap(start=gap.start, reason=gap.reason)
        row.source = source
        row.end, row.text = gap.end, gap.text
        return row

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
                self._write_at = self._monotonic() + RETRY_SECONDS

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
            self._intake.read_waiting()

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
        """Say why. A damaged file makes room for a new one; one without tables gets them."""
        database = history_connection()
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
            self._rows = None
            self._prepared = database.connection


def _lacks_tables(error: Exception) -> bool:
    return "no such table" in str(error)
