"""Records the evidence of alerts as they fire, in the alert engine's thread. Its failures never reach the engine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from django.db import DatabaseError, InterfaceError, connection

from monitor.alerts import evidence_store
from monitor.alerts.evidence_case import Case, Earlier, add_before, add_stored, nothing_stored
from monitor.rules.evaluation import Event
from monitor.shards import EVERY_HOST, Shard
from monitor.telemetry.host.kernel_log import XidMessage, why_unreadable, xid_messages
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""Interval between writes while evidence is recorded; an alert that fires writes it too."""
MOST_CASES = 100
"""Alerts whose evidence is recorded at once; with more, the oldest end early."""
_MOST_WAITING = 5 * MOST_CASES
"""The same while the database does not respond."""
NOT_SAVED = "the evidence of alerts cannot be saved"
NOT_RECORDED = "the evidence of alerts cannot be recorded"
NOT_READ = "what is stored of the time before an alert cannot be read"


class EvidenceRecorder:
    """The engine hands it each snapshot, and calls `write` when its alerts are in the database."""

    def __init__(
        self,
        recent: Callable[[], Iterable[Snapshot]],
        *,
        stored: Callable[[Case], Earlier] = nothing_stored,
        kernel_log: Callable[[], Sequence[XidMessage]] = xid_messages,
        shard: Shard = EVERY_HOST,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`recent`: the readings of this host in the last 15 minutes, the oldest first. `stored`: what the history has of another
        host in the span of a case; raises Django's database errors. `shard`: the hosts whose evidence it continues.
        """
        self._shard = shard
        self._recent, self._stored, self._kernel_log = recent, stored, kernel_log
        self._clock, self._monotonic = clock, monotonic
        self._cases: list[Case] = []
        self._ahead: dict[str, float] = {}
        """How far the clocks of hosts with cases are ahead of this one, in seconds, by host id."""
        self._is_resumed = False
        self._is_new = False
        self._next_write = 0.0
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str | None:
        """Why evidence is missing; None while all is well. From any thread."""
        return "; ".join(f"{what} ({why})" for what, why in [*self._problems.items()]) or None

    def take(self, snapshot: Snapshot, events: Iterable[Event], host_id: str = "") -> None:
        """Add a snapshot to what is recorded of its host, and begin with the alerts that fired with it. `host_id`: of a host whose
        agent has joined; empty: the host that the server runs on.
        """
        try:
            cases = [case for case in self._cases if case.host_id == host_id]
            fired = [event for event in events if event.resolved_at is None and (event.host_id or "") == host_id]
            if cases or fired:
                self._ahead[host_id] = snapshot.time - self._clock()
            for case in cases:
                case.take(snapshot)
            for event in fired:
                self._begin(event, snapshot)
                self._recover(NOT_RECORDED)
        except Exception as error:
            if self._is_news(NOT_RECORDED, error):
                log.exception(NOT_RECORDED)

    def shift(self, seconds: float, host_id: str = "") -> None:
        """The clock of a host was moved by this many seconds."""
        for case in self._cases:
            if case.host_id == host_id:
                case.shift(seconds)

    def write(self, prepare: Callable[[], None], *, is_last: bool = False) -> None:
        """Write what is due. `prepare` readies the database's connection. `is_last`: the server stops, so all is due."""
        now = self._monotonic()
        if not (self._is_new or is_last) and now < self._next_write:
            return
        if self._is_resumed and not self._cases:
            return
        self._next_write, self._is_new = now + WRITE_SECONDS, False
        try:
            prepare()
            self._resume()
            self._save()
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            if self._is_news(NOT_SAVED, error):
                log.warning("%s (%s)", NOT_SAVED, error)
        except Exception as error:
            if self._is_news(NOT_RECORDED, error):
                log.exception(NOT_RECORDED)
            self._cases.clear()  # what cannot be recorded now never can
        else:
            self._recover(NOT_SAVED)

    def _begin(self, event: Event, snapshot: Snapshot) -> None:
        key, now = Case(event).key, event.fired_at
        others = [
            other
            for other in self._cases
            if other.key == key and not other.is_recorded_with_another and not other.is_over(now)
        ]
        with_ = others[-1].event.id if others else ""
        if others:
            others[-1].take(snapshot, has_fired=True)
        self._cases.append(Case.begun(event, snapshot, recorded_with=with_))
        del self._cases[:-_MOST_WAITING]
        self._is_new = True

    def _resume(self) -> None:
        """Continue what a previous run could not finish. Alerts that fired since the start come after it."""
        if self._is_resumed:
            return
        now = self._clock()
        begun = {case.event.id for case in self._cases}
        before = [
            Case.resumed(event, evidence, now=now)
            for event, evidence in evidence_store.load_unfinished(now)
            if event.id not in begun and not evidence.recorded_with and self._shard.has(event.host_id or "")
        ]
        self._cases = [*before, *self._cases]
        self._is_resumed = True

    def _save(self) -> None:
        now = self._clock()
        new = [case for case in self._cases[-MOST_CASES:] if case.lacks_before]
        if own := [case for case in new if not case.host_id]:
            add_before(own, self._recent())
        self._add_stored([case for case in new if case.host_id])
        self._add_kernel_lines([case for case in self._cases[-MOST_CASES:] if case.wants_kernel_log])
        changed = [case for case in self._cases if case.is_changed]
        if changed:
            evidence_store.save({case.event.id: case.evidence() for case in changed})
        for case in changed:
            case.is_changed = False
        self._cases = [case for case in self._cases if not case.is_over(now + self._ahead.get(case.host_id, 0.0))]
        del self._cases[:-MOST_CASES]
        self._ahead = {host_id: self._ahead.get(host_id, 0.0) for host_id in {case.host_id for case in self._cases}}

    def _add_stored(self, cases: Sequence[Case]) -> None:
        """Of a history that cannot be read now, at the next write."""
        try:
            for case in cases:
                add_stored(case, self._stored)
        except (DatabaseError, InterfaceError) as error:
            if self._is_news(NOT_READ, error):
                log.warning("%s (%s)", NOT_READ, error)
        else:
            self._recover(NOT_READ)

    def _add_kernel_lines(self, cases: Sequence[Case]) -> None:
        if not cases:
            return
        messages, why_none = list[XidMessage](), ""
        try:
            messages = [*self._kernel_log()]
        except OSError as error:
            why_none = why_unreadable(error)
        for case in cases:
            case.take_kernel_log(messages, why_none)

    def _is_news(self, what: str, error: Exception) -> bool:
        """Note a problem, and say whether it is another one than before."""
        before, self._problems[what] = self._problems.get(what), str(error)
        return before != str(error)

    def _recover(self, what: str) -> None:
        if self._problems.pop(what, None) is not None:
            log.info("recovered: %s", what)
