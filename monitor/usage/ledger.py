"""The stage that keeps the usage ledger of all hosts, in a thread of its own: books in memory, written down once a minute."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from monitor.database.engine import engine_of
from monitor.logs.lasting_problem import LastingProblem
from monitor.models.usage import UsageJournal
from monitor.shards import EVERY_HOST, Shard
from monitor.steady_clock import SteadyClock
from monitor.telemetry.freshness import has_plausible_time
from monitor.telemetry.schema import Snapshot
from monitor.usage import store
from monitor.usage.accounts import BadJournal, Journal, unpack
from monitor.usage.books import LEAST_SECONDS, Books
from monitor.usage.late.late_books import LateBooks
from monitor.usage.pruning import prune

log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
LEAST_HOSTS, TURNS = 8, 30
"""Of a transaction: at least this many hosts, and enough to write all hosts in this many turns, a second apart."""
RETRY_SECONDS = 5.0
PRUNE_SECONDS = 3600.0
"""Also how long the clock must have run steadily before anything is deleted: a wrong date must not delete the ledger."""
WAIT_SECONDS = 0.5
"""How long this thread waits for the database at a time."""
MOST_WAITING, MOST_WAITING_OF_OTHERS = 180, 8
"""Snapshots that may wait, a second apart at least: of this host, and of each other one. Beyond that (no database at the start),
the oldest are dropped.
"""
MOST_LATE = 180
"""Late snapshots of a host that may wait. An agent sends five a second; an engine that takes over reads a minute at once."""
WAKE_SECONDS = 1.0
"""Interval at which the snapshots of other hosts are counted."""


class LedgerSettings(NamedTuple):
    """What the ledger needs of the settings; they can change at any time."""

    is_on: bool = True
    idle_percent: float = 5.0
    """The highest utilization of a GPU that counts as idle."""
    days: float = 1095.0
    process_days: float = 365.0


class _Host:
    """The books of one host, and its snapshots that wait."""

    def __init__(self, host_id: str) -> None:
        self.host_id = host_id
        self.books: Books | None = None
        self.late_books: LateBooks | None = None
        """Of another host."""
        self.late: deque[Snapshot] = deque(maxlen=MOST_LATE)
        self.waiting: deque[Snapshot] = deque(maxlen=MOST_WAITING if host_id == store.OWN else MOST_WAITING_OF_OTHERS)
        self._read_at: float | None = None
        """Of the last reading that was queued."""

    def queue(self, snapshot: Snapshot) -> bool:
        """Whether the books need the snapshot: they would skip a reading that follows too fast."""
        read_at = None if snapshot.stale else snapshot.sampled_at
        if read_at is not None and self._read_at is not None and 0.0 <= read_at - self._read_at < LEAST_SECONDS:
            return False
        self._read_at = read_at
        self.waiting.append(snapshot)
        return True

    def forget_books(self) -> None:
        """What they counted since the journal was written is lost."""
        self.books = self.late_books = None

    def unsaved(self) -> store.Unsaved | None:
        """What there is to write."""
        if self.books is None or self.books.journal is None:
            return None
        if self.late_books is not None:
            self.late_books.hand_over()
        return store.Unsaved(self.host_id, self.books.journal, [*self.books.closed])


class UsageLedger:
    """A stage. `work` is what its thread does; a test can call it instead of starting the thread."""

    name = "usage"

    def __init__(
        self,
        options: Callable[[], LedgerSettings] = LedgerSettings,
        *,
        shard: Shard = EVERY_HOST,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`shard`: whose books it keeps. The ledger of the first one deletes what is too old, of all."""
        self._options = options
        self._shard = shard
        self._clock, self._monotonic = clock, monotonic
        self._hosts = {store.OWN: _Host(store.OWN)} if shard.is_first else {}
        """By host id."""
        self._wake_at = -math.inf
        self._has_opened = False
        """The books of a host, since the last failure."""
        self._write_at = self._retry_at = 0.0
        self._to_write: list[_Host] = []
        """Hosts that are due, in this minute."""
        self._prune_at = 0.0
        self._steady = SteadyClock(clock, monotonic)
        self._problem: str | None = None
        self._faults: dict[str, str] = {}
        """By the host of which the books could not count."""
        self._lasting = LastingProblem(log, monotonic=monotonic)
        self._woken = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    # ── From other threads ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """Queue the next snapshot of this server's own host."""
        if self._hosts[store.OWN].queue(snapshot):
            self._woken.set()

    def take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None = None) -> None:
        """Queue the next snapshot of another host."""
        if not snapshot.host_id or not has_plausible_time(snapshot, self._clock()):
            return
        host = self._hosts.get(snapshot.host_id)
        if host is None:
            host = self._hosts[snapshot.host_id] = _Host(snapshot.host_id)
        if is_late:
            host.late.append(snapshot)
        else:
            host.queue(snapshot)
        if (now := self._monotonic()) >= self._wake_at:
            self._wake_at = now + WAKE_SECONDS
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
        return self._problem or next(iter([*self._faults.values()]), None)

    @property
    def has_ended(self) -> bool:
        """Nothing is written any more."""
        return not self._thread.is_alive()

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
        self._to_write = []
        self.work()
        while self._to_write and self._retry_at == 0.0:
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
            for host in [*self._hosts.values()]:
                host.forget_books()  # from the journal again: half-counted books would stay wrong

    def _work(self) -> None:
        options = self._options()
        if not options.is_on:
            self._turn_off()
            return
        for host in [*self._hosts.values()]:
            if host.books is None and not self._reaches_database(partial(self._open, host)):
                return
            self._count(host)
        if not self._to_write and self._monotonic() >= self._write_at:
            self._to_write = [*self._hosts.values()]
            self._write_at = self._monotonic() + WRITE_SECONDS
        if self._to_write and self._reaches_database(self._write) and not self._to_write:
            self._prune(options)

    def _count(self, host: _Host) -> None:
        """Count what waits. What a host sends must not harm the books of others."""
        try:
            while host.waiting and host.books is not None:
                host.books.take(host.waiting.popleft())
                self._faults.pop(host.host_id, None)
            while host.late and host.late_books is not None:
                host.late_books.take(host.late.popleft())
        except Exception as error:
            if host.host_id not in self._faults:
                log.exception("usage is not counted")
            self._faults[host.host_id] = f"usage is not counted ({type(error).__name__}: {error})"
            host.forget_books()  # from the journal again: half-counted books would stay wrong

    def _turn_off(self) -> None:
        """Write down what was counted; from now on, time passes as not recorded."""
        hosts = [*self._hosts.values()]
        for host in hosts:
            host.waiting.clear()
            host.late.clear()
        if any(host.books for host in hosts) and self._reaches_database(self._write_all):
            for host in hosts:
                host.forget_books()
        if not any(host.books for host in hosts):
            self._is_well()
            self._has_opened = False

    def _open(self, host: _Host) -> None:
        """Go on where the host's journal ends."""
        data = UsageJournal.objects.filter(host_id=host.host_id).values_list("data", flat=True).first()
        journal: Journal | None = None
        if data is not None:
            try:
                journal = unpack(bytes(data))
            except BadJournal as error:
                log.warning("the usage journal cannot be continued (%s); a new one begins", error)
        host.books = Books(
            journal,
            idle_percent=lambda: self._options().idle_percent,
            is_recorded=partial(self._is_recorded, host.host_id),
            may_come_late=host.host_id != store.OWN,
        )
        host.late_books = LateBooks(host.books, idle_percent=lambda: self._options().idle_percent)
        if not self._has_opened:
            self._has_opened = True
            self._write_at = self._monotonic() + (WRITE_SECONDS if self._problem is None else RETRY_SECONDS)

    def _is_recorded(self, host_id: str, uuid: str, start: int) -> bool:
        """If the database does not answer, yes: time that is counted twice would be worse than time that is not recorded."""
        try:
            return store.is_recorded(host_id, uuid, start)
        except (DatabaseError, InterfaceError):
            return True

    def _write_all(self) -> None:
        self._to_write = [*self._hosts.values()]
        while self._to_write:
            self._write()

    def _write(self) -> None:
        """Some of the hosts that are due, in one transaction: a long one would delay what viewers see."""
        hosts = self._to_write[: max(LEAST_HOSTS, len(self._hosts) // TURNS + 1)]
        unsaved = {each.host_id: each for host in hosts if (each := host.unsaved()) is not None}
        if unsaved:
            store.save([*unsaved.values()])
            for host_id, each in unsaved.items():
                books = self._hosts[host_id].books
                assert books is not None
                del books.closed[: len(each.closed)]
            self._is_well()
        del self._to_write[: len(hosts)]

    def _prune(self, options: LedgerSettings) -> None:
        """Once an hour, or once a minute while there is more to delete."""
        if (
            not self._shard.is_first
            or self._steady.steady_seconds() < PRUNE_SECONDS
            or self._monotonic() < self._prune_at
        ):
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
