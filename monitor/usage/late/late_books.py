"""Counts the readings that come late into what the books of their host have missed."""

from __future__ import annotations

from collections.abc import Callable

from monitor.telemetry.schema import Snapshot
from monitor.usage import process_log
from monitor.usage.accounts import AddedProcess, AddedSlice, ClosedProcess, ClosedSlice, GpuAccount, Journal, Period
from monitor.usage.books import Books
from monitor.usage.late.missed import Spans, claim
from monitor.usage.slices import slice_start


class LateBooks(Books):
    """Beside the books of a host, which note what they missed. What these count is given to them by `hand_over`."""

    def __init__(self, books: Books, *, idle_percent: Callable[[], float]) -> None:
        super().__init__(None, idle_percent=idle_percent)
        self._of_host = books

    def take(self, snapshot: Snapshot) -> None:
        """Count what the reading says about missed time. One that is newer than the books is in order, and counted by them."""
        at, host = None if snapshot.stale else snapshot.sampled_at, self._of_host.journal
        if host is None or (at is not None and at > host.until):
            self._of_host.take(snapshot)
            return
        if at is None:
            return
        begin = at - (snapshot.poll_interval_seconds or 1.0)
        if self.journal is None:
            self.journal = Journal(until=begin, recorded_until=begin)
        for gpu in snapshot.gpus:
            if gpu.uuid in host.gpus and gpu.uuid not in self.journal.gpus:
                self._add(gpu, snapshot.host, begin)
        super().take(snapshot)

    def hand_over(self) -> None:
        """Add what was counted to the open slices and processes of the host's books, else to what they have to write."""
        if self.journal is None:
            return
        for known in self.journal.gpus.values():
            self._close_open(known)
            self._end_processes(known)
            known.account, known.minute = GpuAccount(slice_start(self.journal.until)), 0
        closed, self.closed = self.closed, []
        assert self._of_host.journal is not None
        gpus = self._of_host.journal.gpus
        for each in closed:
            known_there = gpus.get(each.uuid)
            if isinstance(each, ClosedSlice):
                if known_there is not None and known_there.account.start == each.account.start:
                    known_there.account.add(each.account)
                else:
                    self._of_host.closed.append(AddedSlice(each.uuid, each.account))
            elif isinstance(each, ClosedProcess):
                if known_there is None or not process_log.add_to_open(known_there, each.process):
                    self._of_host.closed.append(AddedProcess(each.uuid, each.process))
            elif not isinstance(each, Period):  # the books of the host know since when it has the GPU
                self._of_host.closed.append(each)

    def _countable(self, start: float, end: float) -> Spans:
        assert self._of_host.journal is not None
        return claim(self._of_host.journal.missed, start, end)

    def _skip(self, start: float, end: float, reach: float) -> None:
        """What late readings do not show stays missed."""
