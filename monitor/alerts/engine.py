"""The alert engine: evaluates the rules on each snapshot in a thread of its own, and saves, shows and queues what fires.

Evaluation continues while the database is locked or missing; what is to be saved waits, in order.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
from django.db import DatabaseError, InterfaceError, connection

from monitor.alerts import store
from monitor.alerts.alert_rows import as_time
from monitor.alerts.evidence_recorder import EvidenceRecorder
from monitor.alerts.silence import is_silent
from monitor.alerts.store import Acknowledged, Enqueue, RuleRow
from monitor.database.changes import Changes
from monitor.database.engine import engine_of
from monitor.rules.choices import SEVERITIES
from monitor.rules.evaluation import Evaluation, Event
from monitor.rules.judge import Judge
from monitor.rules.rule import Rule
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.schema import Alert, Snapshot

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Interval between looks at the database for rules and acknowledgements of another process."""
SAVE_SECONDS = 60.0
"""Interval between writes of the states while timers run; each event writes them too. A crash sets a timer back by no more. Every
write costs the disk several pages: at 5 s they were three quarters of all that gpumon writes.
"""
RETRY_SECONDS = 1.0
CLEAN_SECONDS = 3600.0
DATABASE_WAIT_SECONDS = 0.5
"""How long this thread waits for the database at a time: meanwhile it evaluates nothing."""
NOT_JUDGED = "a snapshot could not be evaluated"
JUMP_SECONDS = 5.0
"""The least difference between the wall clock and the monotonic clock that counts as a jump of the former: on a busy host some
seconds can pass between a snapshot and its arrival here."""
FLAPPING_SECONDS = 3600.0
MOST_WAITING = 600
"""Snapshots that may wait for evaluation. Beyond that (no database at the start), the oldest are dropped."""


class Engine:
    """Runs from `start` to `stop`. `offer` and `changed` may be called from any thread."""

    def __init__(
        self,
        *,
        limits: Callable[[], IdleLimits],
        retention_days: Callable[[], float],
        enqueue: Enqueue,
        show: Callable[[tuple[Alert, ...]], None],
        written: Callable[[], None] = lambda: None,
        keep: Callable[[Snapshot], None] = lambda _snapshot: None,
        evidence: EvidenceRecorder | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`enqueue`: puts messages about an event into the outbox. `show`: receives the open alerts whenever they change.
        `written`: called when events are in the database. `keep`: receives each snapshot that was evaluated.
        `evidence`: records what surrounds the alerts that fire.
        """
        self._limits, self._retention_days = limits, retention_days
        self._enqueue, self._show, self._written, self._keep = enqueue, show, written, keep
        self._evidence = evidence
        self._clock, self._monotonic = clock, monotonic
        self._evaluation = Evaluation()
        self._rules: dict[int, RuleRow] = {}
        self._revision: object = None
        self._changes = Changes(monotonic=monotonic)
        self._limits_then: IdleLimits | None = None
        self._acknowledged: dict[str, Acknowledged] = {}
        self._times: dict[tuple[int | None, str, str], int] = {}
        self._shown: tuple[Alert, ...] = ()
        self._unwritten: list[Event] = []
        self._memories: dict[int, dict[str, object]] = {}
        self._gpus: object = None
        self._is_restored = False
        self.problems: dict[str, str] = {}
        """What cannot be done now, and why. Written by this thread, read by any."""
        self._dropped: list[int] = []
        self._next_look = self._next_save = self._retry_at = 0.0
        self._next_clean: float | None = None
        self._waiting: deque[tuple[Snapshot, float]] = deque(maxlen=MOST_WAITING)
        """Each with the time that it came, by the monotonic clock."""
        self._ahead: float | None = None
        """How far the wall clock is ahead of the monotonic one, as of the last snapshot."""
        self._clearing: set[str] = set()
        self._woken = threading.Event()
        self._is_changed = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    # ── From other threads ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 3.0) -> None:
        """Save the states and end the thread. Returns when it has ended or the time is up."""
        self._is_stopping = True
        self._woken.set()
        self._thread.join(seconds)

    def offer(self, snapshot: Snapshot) -> None:
        """Queue the next snapshot for evaluation."""
        self._waiting.append((snapshot, self._monotonic()))
        self._woken.set()

    @property
    def problem(self) -> str | None:
        """What is wrong with alerts now; None while all is well."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._is_stopping:
            return "the alert engine's thread has ended"
        return "; ".join(f"{what} ({why})" for what, why in [*self.problems.items()]) or None

    def changed(self) -> None:
        """Load rules, limits and acknowledgements now."""
        self._is_changed = True
        self._woken.set()

    # ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._is_stopping:
            self._woken.wait(self._until_due())
            self._woken.clear()
            self.run_once()
        self._next_save = self._retry_at = 0.0
        self._write()
        self._write_evidence(is_last=True)
        connection.close()

    def run_once(self) -> None:
        """Do what is due. An error becomes a problem and does not end the thread: the next snapshot is evaluated."""
        try:
            self.work()
        except Exception as error:
            if self.problems.get(NOT_JUDGED) != str(error):
                log.exception(NOT_JUDGED)
            self.problems[NOT_JUDGED] = str(error)

    def _until_due(self) -> float:
        due = self._next_look
        if self._unwritten:
            due = min(due, self._retry_at)
        return max(0.0, due - self._monotonic())

    def work(self) -> None:
        """Everything that is due now: load changes, evaluate the waiting snapshots, write the results."""
        if self._is_changed or self._monotonic() >= self._next_look:
            self._is_changed = False
            self._look()
        is_judged = False
        while self._is_restored and self._waiting:
            self._judge(*self._waiting.popleft())
            is_judged = True
        self._write()
        self._write_evidence()
        if is_judged:
            self.problems.pop(NOT_JUDGED, None)

    def _judge(self, snapshot: Snapshot, came_at: float) -> None:
        self._follow_clock(snapshot.time - came_at)
        events = self._evaluation.take(snapshot)
        if events:
            self._log(events)
            self._unwritten += events
        clearing = self._evaluation.clearing()
        if events or clearing != self._clearing:
            self._clearing = clearing
            self._show_open()
        if self._evidence is not None:
            self._evidence.take(snapshot, events)
        self._keep(snapshot)
        identity = tuple([(gpu.uuid, gpu.index) for gpu in snapshot.gpus])
        if identity != self._gpus and self._reaches_database(
            "the list of known GPUs cannot be saved", lambda: store.remember_gpus(snapshot)
        ):
            self._gpus = identity

    def _follow_clock(self, ahead: float) -> None:
        """If the wall clock was set, move the times of open alerts with it: how long they fire stays true."""
        is_jump, before, self._ahead = self._is_jump(ahead), self._ahead, ahead
        if not is_jump or before is None:
            return
        log.warning("the clock was set by %+.0f s; the times of open alerts are moved with it", ahead - before)
        self._next_clean = self._monotonic() + CLEAN_SECONDS  # a wrong date must not delete the alert history
        if self._evidence is not None:
            self._evidence.shift(ahead - before)
        moved = self._evaluation.shift(ahead - before)
        self._unwritten += moved
        if moved:
            self._show_open()

    def _is_jump(self, ahead: float) -> bool:
        return self._ahead is not None and abs(ahead - self._ahead) >= JUMP_SECONDS

    def _look(self) -> None:
        """Load the current rules and acknowledgements; the first time, also restore the state of the previous run."""
        self._next_look = self._monotonic() + LOOK_SECONDS
        if self._reaches_database("rules cannot be read; the known ones stay in effect", self._load):
            self._show_open()

    def _load(self) -> None:
        limits = self._limits()
        if self._changes.may_exist() or limits != self._limits_then:
            self._load_changes(limits)
            self._changes.note_read()
        is_due = self._next_clean is None or self._monotonic() >= self._next_clean
        if is_due and not self._is_jump(self._clock() - self._monotonic()):
            self._next_clean = self._monotonic() + CLEAN_SECONDS
            store.forget_before(self._clock(), days=self._retention_days())

    def _load_changes(self, limits: IdleLimits) -> None:
        revision = store.revision()
        if revision != self._revision or limits != self._limits_then:
            self._rules = store.load_rules(limits)
            rules = [row.rule for row in self._rules.values()]
            if self._is_restored:
                self._dropped += [id_ for id_ in self._evaluation.judges if id_ not in self._rules]
                ended = self._evaluation.set_rules(rules)
                self._log(ended)
                self._unwritten += ended
            else:
                self._restore(rules)
            self._revision, self._limits_then = revision, limits
        open_ids = self._evaluation.open.keys()
        self._acknowledged = store.load_acknowledged(open_ids) if open_ids else {}
        self._times = store.load_times_since(self._clock() - FLAPPING_SECONDS) if open_ids else {}

    def _restore(self, rules: list[Rule]) -> None:
        evaluation = Evaluation()
        evaluation.set_rules(rules)
        saved = store.load_states(evaluation.judges.values())
        self._unwritten += evaluation.restore(store.load_open_events(), saved, at=self._clock())
        self._evaluation = evaluation
        self._is_restored = True

    # ── The database ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self) -> None:
        """Write what is due. If the database does not respond, everything is kept for the next attempt."""
        if not self._is_restored:
            return
        now = self._monotonic()
        judges = self._changed_judges() if self._unwritten or now >= self._next_save else []
        if not self._unwritten and not judges and not self._dropped:
            # Check again after the usual interval, not at each reading.
            if now >= self._next_save:
                self._next_save = now + SAVE_SECONDS
            return
        events, dropped = [*self._unwritten], [*self._dropped]
        if not self._reaches_database(
            "alerts cannot be saved now; they are saved later, in order",
            lambda: store.save(events, judges, dropped, enqueue=self._enqueue, now=self._clock()),
        ):
            return
        self._unwritten.clear()
        self._dropped.clear()
        for judge in judges:
            judge.is_changed = False
            self._memories[judge.rule.id] = {**judge.memory}
        self._next_save = now + SAVE_SECONDS
        if events:
            self._written()

    def _write_evidence(self, *, is_last: bool = False) -> None:
        """Write the evidence that is due, once its alerts are written and on their way."""
        if self._evidence is not None and self._is_restored and not self._unwritten:
            self._evidence.write(self._wait_little, is_last=is_last)

    def _changed_judges(self) -> list[Judge]:
        return [
            judge
            for judge in self._evaluation.judges.values()
            if judge.is_changed or judge.has_timers or judge.memory != self._memories.get(judge.rule.id, {})
        ]

    def _reaches_database(self, problem: str, do: Callable[[], None]) -> bool:
        """Do it and return whether it worked. After a failure, wait RETRY_SECONDS first. `problem` is logged once."""
        if self._monotonic() < self._retry_at:
            return False
        try:
            self._wait_little()
            do()
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            self._retry_at = self._monotonic() + RETRY_SECONDS
            if problem not in self.problems:
                log.warning("%s (%s)", problem, error)
            self.problems[problem] = str(error)
            return False
        if self.problems.pop(problem, None) is not None:
            log.info("recovered: %s", problem)
        return True

    def _wait_little(self) -> None:
        """Wait a short time for the database. Django's own setting is for requests, which have nothing else to do."""
        engine_of(connection).limit_waits(DATABASE_WAIT_SECONDS)

    # ── For pages and feeds ───────────────────────────────────────────────────────────────────────────────────────────

    def _show_open(self) -> None:
        alerts = tuple(sorted(map(self._alert, self._evaluation.open.values()), key=_worst_first))
        if alerts != self._shown:
            self._shown = alerts
            self._show(alerts)

    def _alert(self, event: Event) -> Alert:
        seen = self._acknowledged.get(event.id)
        known = self._rules.get(event.rule_then.id)
        return msgspec.structs.replace(
            event.alert(),
            acknowledged_at=seen.at if seen else None,
            acknowledged_by=seen.by if seen else None,
            note=seen.note if seen else None,
            is_muted=is_silent(known.row if known else None, as_time(self._clock()), event.gpu_uuid or ""),
            times_in_last_hour=max(1, self._times.get((event.rule_then.id, event.host, event.subject), 1)),
            is_clearing=event.id in self._clearing,
        )

    def _log(self, events: list[Event]) -> None:
        for event in events:
            if event.resolved_at is None:
                log.warning("alert, %s: %s (rule %r)", event.severity, event.summary, event.rule)
            else:
                log.info("alert resolved: %s (rule %r): %s", event.summary, event.rule, event.resolved_because)


def _worst_first(alert: Alert) -> tuple[int, float]:
    return -SEVERITIES.index(alert.severity), alert.fired_at
