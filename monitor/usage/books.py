"""Keeps the books: from each snapshot, how long every GPU was held by whom, was free, or nobody knows. No database, no clock.

Each second of a GPU is counted once. A reading stands for the time since the one before, if that is not long ago. Time that the
wall clock goes through a second time, because it was set back, is not counted again.
"""

from __future__ import annotations

from collections.abc import Callable

from monitor.telemetry.schema import Gpu, Snapshot
from monitor.usage import process_log, spans
from monitor.usage.accounts import Closed, ClosedSlice, GpuAccount, Journal, OpenGpu, Period
from monitor.usage.gpu_time import count, power_of
from monitor.usage.late.missed import Spans, add
from monitor.usage.process_log import Listing
from monitor.usage.slices import SLICE_SECONDS, minute_start, minutes, slice_start

LEAST_SECONDS = 0.95
"""Readings that follow faster are skipped: the next one stands for their time too."""
LEAST_REACH_SECONDS = 5.0
"""At least so long a reading stands for the time before it, else for three intervals."""
MOST_CLOSED = 100_000
"""Closed records that wait for the database; beyond that, the oldest are dropped."""


class Books:
    """Used from one thread. What is closed waits in `closed` until the ledger has saved it."""

    def __init__(
        self,
        journal: Journal | None,
        *,
        idle_percent: Callable[[], float],
        is_recorded: Callable[[str, int], bool] = lambda _uuid, _start: False,
        may_come_late: bool = False,
    ) -> None:
        """`journal`: where the books were left. `idle_percent`: the highest utilization that counts as idle.
        `is_recorded`: whether the database has the slice of this GPU that starts then. `may_come_late`: what is missing now may
        follow, so it is noted as missed.
        """
        self.journal = journal
        self.closed: list[Closed] = []
        self._idle_percent = idle_percent
        self._listings: dict[str, Listing] = {}
        """The processes of the last reading, by GPU."""
        self._is_recorded = is_recorded
        self._may_come_late = may_come_late
        self._has_run = False
        """A snapshot was taken since the books were opened."""
        self._was_read = False
        """`until` is the time of a reading."""

    def take(self, snapshot: Snapshot) -> None:
        """Count the time up to this snapshot."""
        interval = snapshot.poll_interval_seconds or 1.0
        reach = max(LEAST_REACH_SECONDS, 3.0 * interval)
        at = None if snapshot.stale else snapshot.sampled_at
        if at is None:
            self._take_unread(snapshot.time, reach)
            return
        if self.journal is None:
            self.journal = Journal(until=at, recorded_until=at)
        elif not self._goes_on(at):
            return
        journal = self.journal
        start = journal.until
        if not self._was_read or at - start > reach:
            start = max(start, at - interval)
            self._skip(journal.until, start, reach)
        listed = {gpu.uuid: gpu for gpu in snapshot.gpus}
        self._remove_all_but(listed)
        is_continuous = self._was_read and start == journal.until
        idle_percent = self._idle_percent()
        for since, until in self._countable(start, at):
            for uuid, known in journal.gpus.items():
                self._count(known, listed[uuid], since, until, idle_percent=idle_percent, is_continuous=is_continuous)
        for gpu in snapshot.gpus:
            known_now = journal.gpus.get(gpu.uuid)
            if known_now is None:
                self._add(gpu, snapshot.host, at)
            else:
                known_now.index, known_now.name, known_now.host = gpu.index, gpu.name, snapshot.host
        self._pass(at, was_read=True)

    def _goes_on(self, at: float) -> bool:
        """Whether there is time to count up to this moment. If the clock was set back by far, the books go back too."""
        assert self.journal is not None
        until = self.journal.until
        if until - at > SLICE_SECONDS:
            self._set_back(at)
            return True
        return at - until >= LEAST_SECONDS

    def _take_unread(self, at: float, reach: float) -> None:
        journal = self.journal
        if journal is None:
            return
        if journal.until - at > SLICE_SECONDS:
            self._set_back(at)
            return
        if self._may_come_late or at - journal.until <= reach:
            return  # readings that follow can still stand for it
        self._skip(journal.until, at, reach)
        self._pass(at, was_read=False)

    def _skip(self, start: float, end: float, reach: float) -> None:
        """Pass over time of which there is no reading."""
        assert self.journal is not None
        if self._may_come_late:
            add(self.journal.missed, start, end)
        elif self._has_run and end - start <= 2 * reach:
            self._count_unread(start, end)

    def _countable(self, start: float, end: float) -> Spans:
        """The parts of a span that a reading stands for that are to be counted."""
        return [(start, end)]

    def _pass(self, at: float, *, was_read: bool) -> None:
        assert self.journal is not None
        self.journal.until = at
        self.journal.recorded_until = max(self.journal.recorded_until, at)
        self._has_run, self._was_read = True, was_read
        del self.closed[:-MOST_CLOSED]

    def _set_back(self, at: float) -> None:
        """Close everything that ended in what is now the future."""
        assert self.journal is not None
        self.journal.missed.clear()
        for known in self.journal.gpus.values():
            known.recorded_until = max(known.recorded_until, self.journal.until)
            self._close_open(known)
            known.account = self._account(known.uuid, at)
            known.minute, known.since = 0, min(known.since, at)
        self._pass(at, was_read=False)

    # ── Which GPUs there are ──────────────────────────────────────────────────────────────────────────────────────────

    def _add(self, gpu: Gpu, host: str, at: float) -> None:
        assert self.journal is not None
        self.journal.gpus[gpu.uuid] = OpenGpu(
            uuid=gpu.uuid, index=gpu.index, name=gpu.name, host=host, since=at, account=self._account(gpu.uuid, at),
            energy_counter=gpu.energy_joules, accounted={each.pid for each in gpu.ended_processes or ()},
        )  # fmt: skip
        self.closed.append(Period(gpu.uuid, at, None))

    def _remove_all_but(self, listed: dict[str, Gpu]) -> None:
        """GPUs that the host no longer has: a lost one is listed until the server restarts."""
        assert self.journal is not None
        for known in [known for uuid, known in self.journal.gpus.items() if uuid not in listed]:
            self._close_open(known)
            self._end_processes(known)
            end = max(self.journal.until, known.recorded_until)
            self.closed.append(Period(known.uuid, known.since, end))
            del self.journal.gpus[known.uuid]

    def _end_processes(self, known: OpenGpu) -> None:
        process_log.end_all(known, self.closed)
        self._listings.pop(known.uuid, None)

    def _close_open(self, known: OpenGpu) -> None:
        self._close_slice(known)
        spans.end_minute(known, self.closed)
        spans.end_span(known, self.closed)

    # ── Slices ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _account(self, uuid: str, at: float) -> GpuAccount:
        """An empty account for the slice that contains this moment."""
        start = slice_start(at)
        is_over = self.journal is not None and start < self.journal.recorded_until
        return GpuAccount(start, is_recorded_elsewhere=is_over and self._has_slice(uuid, start))

    def _has_slice(self, uuid: str, start: int) -> bool:
        waits = any(
            isinstance(each, ClosedSlice) and each.uuid == uuid and each.account.start == start for each in self.closed
        )
        return waits or self._is_recorded(uuid, start)

    def _close_slice(self, known: OpenGpu) -> None:
        if known.account.known > 0 and not known.account.is_recorded_elsewhere:
            self.closed.append(ClosedSlice(known.uuid, known.account))

    def _enter(self, known: OpenGpu, at: float) -> None:
        """Go on in the minute and the slice that contain this moment."""
        minute = minute_start(at)
        if minute == known.minute:
            return
        spans.end_minute(known, self.closed)
        process_log.end_unseen(known, at, self.closed)
        known.minute = minute
        if slice_start(at) != known.account.start:
            self._close_slice(known)
            known.account = self._account(known.uuid, at)

    # ── Counting ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _count_unread(self, start: float, end: float) -> None:
        assert self.journal is not None
        for known in self.journal.gpus.values():
            for since, until in minutes(start, end):
                self._enter(known, since)
                known.account.unread += until - since
                spans.add(known, "unknown", "", until - since)

    def _count(
        self, known: OpenGpu, gpu: Gpu, start: float, end: float, *, idle_percent: float, is_continuous: bool
    ) -> None:
        """Count what the reading at `end` says about this span."""
        listing, uses = process_log.follow(known, gpu, end, end - start, self.closed, self._listings.get(known.uuid))
        self._listings[known.uuid] = listing
        process_log.add_unread(known, gpu, end, self.closed, is_first=not self._has_run)
        portions = []
        if uses and gpu.use in ("busy", "held"):
            portions = listing.division.portions(
                uses, utilization_percent=gpu.utilization_percent, idle_percent=idle_percent
            )
        watts = power_of(known, gpu, end - start, is_continuous=is_continuous)
        for since, until in minutes(start, end):
            self._enter(known, since)
            count(known, gpu, portions, until - since, watts)
