"""The stage that keeps the usage ledger, in a thread of its own: books in memory, written down once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from monitor.database.engine import engine_of
from monitor.logs.lasting_problem import LastingProblem
from monitor.models.usage import UsageJournal
from monitor.steady_clock import SteadyClock
from monitor.telemetry.schema import Snapshot
from monitor.usage import store
from monitor.usage.accounts import BadJournal, Journal, unpack
from monitor.usage.books import LEAST_SECONDS, Books
from monitor.usage.pruning import prune

log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
RETRY_SECONDS = 5.0
PRUNE_SECONDS = 3600.0
"""Also how long the clock must have run steadily before anything is deleted: a wrong date must not delete the ledger."""
WAIT_SECONDS = 0.5
"""How long this thread waits for the database at a time."""
MOST_WAITING = 180
"""Snapshots that may wait, a second apart at least; beyond that (no database at the start), the oldest are dropped."""


class LedgerSettings(NamedTuple):
    """What the ledger needs of the settings; they can change at any time."""

    is_on: bool = True
    idle_percent: float = 5.0
    """The highest utilization of a GPU that counts as idle."""
    days: float = 1095.0
    process_days: float = 365.0


class UsageLedger:
    """A stage. `work` is what its thread does; a test can call it instead of starting the thread."""

    name = "usage"

    def __init__(
        self,
        options: Callable[[], LedgerSettings] = LedgerSettings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._clock, self._monotonic = clock, monotonic
        self._books: Books | None = None
        self._waiting: deque[Snapshot] = deque(maxlen=MOST_WAITING)
        self._read_at: float | None = None
        """Of the last reading that was queued."""
        self._write_at = self._retry_at = 0.0
        self._prune_at = 0.0
        self._steady = SteadyClock(clock, monotonic)
        self._problem: str | None = None
        self._lasting = LastingProblem(log, monotonic=monotonic)
        self._woken = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    # ── From other threads ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """Queue the next snapshot. The books would skip a reading that follows too fast, so it need not wake the thread."""
        read_at = None if snapshot.stale else snapshot.sampled_at
        if read_at is not None and self._read_at is not None and 0.0 <= read_at - self._read_at < LEAST_SECONDS:
            return
        self._read_at = read_at
        self._waiting.append(snapshot)
        self._woken.set()

    def stop(self, seconds: float = 3.0) -> None:
        """Write down what is open and end the thread. Returns when it has ended or the time is up."""
        self._is_stopping = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    @property
    def problem(self) -> str | None:
        if self._thread.ident is not None and not self._thread.is_alive() and not self._is_stopping:
            return "the usage ledger's thread has ended"
        return self._problem

    # ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._is_stopping:
            self._woken.wait()
            self._woken.clear()
            self.work()
        self.write_now()
        connections[settings.HISTORY_DATABASE].close()

    def write_now(self) -> None:
        """Count what waits, and write down what is open."""
        self._write_at = self._retry_at = 0.0
        self.work()

    def work(self) -> None:
        """Count the waiting snapshots, and write if it is time. An error becomes a problem and does not end the thread."""
        try:
            self._work()
        except Exception as error:
            problem = f"usage is not counted ({type(error).__name__}: {error})"
            if problem != self._problem:
                log.exception("usage is not counted")
            self._problem = problem
            self._books = None  # from the journal again: half-counted books would stay wrong

    def _work(self) -> None:
        options = self._options()
        if not options.is_on:
            self._turn_off()
            return
        if self._books is None and not self._reaches_database(self._open):
            return
        assert self._books is not None
        while self._waiting:
            self._books.take(self._waiting.popleft())
        if self._monotonic() >= self._write_at and self._reaches_database(self._write):
            self._write_at = self._monotonic() + WRITE_SECONDS
            self._prune(options)

    def _turn_off(self) -> None:
        """Write down what was counted; from now on, time passes as not recorded."""
        self._waiting.clear()
        if self._books is not None and self._reaches_database(self._write):
            self._books = None
        if self._books is None:
            self._is_well()

    def _open(self) -> None:
        """Go on where the journal ends."""
        data = UsageJournal.objects.filter(pk=1).values_list("data", flat=True).first()
        journal: Journal | None = None
        if data is not None:
            try:
                journal = unpack(bytes(data))
            except BadJournal as error:
                log.warning("the usage journal cannot be continued (%s); a new one begins", error)
        self._books = Books(journal, idle_percent=lambda: self._options().idle_percent, is_recorded=self._is_recorded)
        self._write_at = self._monotonic() + (WRITE_SECONDS if self._problem is None else RETRY_SECONDS)

    def _is_recorded(self, uuid: str, start: int) -> bool:
        """If the database does not answer, yes: time that is counted twice would be worse than time that is not recorded."""
        try:
            return store.is_recorded(uuid, start)
        except (DatabaseError, InterfaceError):
            return True

    def _write(self) -> None:
        books = self._books
        if books is None or books.journal is None:
            return
        closed = [*books.closed]
        store.save(books.journal, closed)
        del books.closed[: len(closed)]
        self._is_well()

    def _prune(self, options: LedgerSettings) -> None:
        """Once an hour, or once a minute while there is more to delete."""
        if self._steady.steady_seconds() < PRUNE_SECONDS or self._monotonic() < self._prune_at:
            return

        def delete() -> None:
            has_more = prune(self._clock(), days=options.days, process_days=options.process_days)
            self._prune_at = self._monotonic() + (0.0 if has_more else PRUNE_SECONDS)

        self._reaches_database(delete)

    # ── The database ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _reaches_database(self, do: Callable[[], None]) -> bool:
        """Do it and return whether it worked. After a failure, wait RETRY_SECONDS first."""
        if self._monotonic() < self._retry_at:
            return False
        try:
            engine_of(connections[settings.HISTORY_DATABASE]).limit_waits(WAIT_SECONDS)
            do()
        except (DatabaseError, InterfaceError) as error:
            connections[settings.HISTORY_DATABASE].close()
            self._retry_at = self._monotonic() + RETRY_SECONDS
            self._note(f"usage cannot be saved now; it is kept in memory ({error})")
            return False
        return True

    def _note(self, problem: str) -> None:
        self._problem = problem
        self._lasting.noticed(problem)

    def _is_well(self) -> None:
        self._problem = None
        self._lasting.is_over("recovered: usage is saved")
