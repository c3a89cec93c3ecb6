"""The alert engine: evaluates the rules on each snapshot in a thread of its own, and saves, shows and queues what fires.

Evaluation continues while the database is locked or missing; what is to be saved waits, in order.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from django.db import connections

from monitor.alerts import store
from monitor.alerts.arrivals import Arrival, Arrivals
from monitor.alerts.database_attempts import DatabaseAttempts
from monitor.alerts.evidence_recorder import EvidenceRecorder
from monitor.alerts.host_alerts import HostAlerts
from monitor.alerts.open_alerts import OpenAlerts
from monitor.alerts.store import Dropped, Enqueue, HostJudge, RuleRow
from monitor.alerts.unwritten import Unwritten
from monitor.database.changes import Changes
from monitor.rules.evaluation import Evaluation
from monitor.rules.host_contact import HostContact
from monitor.rules.kinds.host_down import REMOVED
from monitor.shards import EVERY_HOST, Shard
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.schema import Alert, Snapshot

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Interval between looks at the database for rules and acknowledgements of another process."""
SAVE_SECONDS = 60.0
"""Interval between writes of the states while timers run; each event writes them too. A crash sets a timer back by no more. Every
write costs the disk several pages: at 5 s they were three quarters of all that gpumon writes.
"""
CLEAN_SECONDS = 3600.0
NOT_JUDGED = "a snapshot could not be evaluated"


class Engine:
    """Runs from `start` to `stop`. `offer`, `offer_of_fleet` and `changed` may be called from any thread."""

    def __init__(
        self,
        *,
        limits: Callable[[], IdleLimits],
        retention_days: Callable[[], float],
        enqueue: Enqueue,
        show: Callable[[tuple[Alert, ...]], None],
        contacts: Callable[[], Sequence[HostContact] | None] = lambda: None,
        written: Callable[[], None] = lambda: None,
        keep: Callable[[Snapshot], None] = lambda _snapshot: None,
        evidence: EvidenceRecorder | None = None,
        shard: Shard = EVERY_HOST,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`enqueue`: puts messages about an event into the outbox. `show`: receives the open alerts of all hosts, at the start and
        whenever they change. `contacts`: the other hosts; None while they are not known. `written`: called when events are in the
        database. `keep`: receives each snapshot of the hub itself that was evaluated. `evidence`: records what surrounds alerts.
        `shard`: the hosts to judge; with the first one, the rules about hosts are, and old alerts of all hosts are deleted.
        """
        self._limits, self._retention_days = limits, retention_days
        self._enqueue, self._show, self._written, self._keep = enqueue, show, written, keep
        self._contacts = contacts
        self._evidence = evidence
        self._shard = shard
        self._clock, self._monotonic = clock, monotonic
        self._hosts: dict[str, HostAlerts] = {"": HostAlerts("", Evaluation())} if shard.is_first else {}
        """By host id; the hub itself has none."""
        self._rules: dict[int, RuleRow] = {}
        self._revision: object = None
        self._changes = Changes(monotonic=monotonic)
        self._limits_then: IdleLimits | None = None
        self._open = OpenAlerts()
        self._shown: tuple[Alert, ...] | None = None
        self._unwritten = Unwritten()
        self._is_restored = self._knows_contacts = False
        self.problems: dict[str, str] = {}
        """What cannot be done now, and why. Written by this thread, read by any."""
        self._database = DatabaseAttempts(self.problems, monotonic)
        self._dropped = Dropped([], [])
        self._next_look = self._next_save = 0.0
        self._next_clean: float | None = None
        self._arrivals = Arrivals()
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
        """Queue the next snapshot of the hub itself for evaluation."""
        self._arrivals.put(Arrival("", snapshot, self._monotonic()))
        self._woken.set()

    def offer_of_fleet(self, snapshot: Snapshot, *, position: int | None = None, is_repeated: bool = False) -> None:
        """Queue the next snapshot of another host. Most wait for the next one of the hub itself, to be evaluated together.

        `position`, `is_repeated`: as in Arrival. A repeated one is not judged again if the stored states include it.
        """
        if snapshot.host_id is None:
            return
        arrival = Arrival(snapshot.host_id, snapshot, self._monotonic(), position, is_repeated)
        if self._arrivals.put(arrival) > 1:
            self._woken.set()

    def has_room(self, host_id: str) -> bool:
        """Whether the next snapshot of this other host can be queued without dropping one."""
        return self._arrivals.has_room(host_id)

    @property
    def problem(self) -> str | None:
        """What is wrong with alerts now; None while all is well."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._is_stopping:
            return "the alert engine's thread has ended"
        return "; ".join(f"{what} ({why})" for what, why in [*self.problems.items()]) or None

    @property
    def has_ended(self) -> bool:
        """Nothing is written any more."""
        return not self._thread.is_alive()

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
        self._next_save = self._database.retry_at = 0.0
        self._write()
        self._write_evidence(is_last=True)
        connections.close_all()  # of this thread: the history too

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
            due = min(due, self._database.retry_at)
        return max(0.0, due - self._monotonic())

    def work(self) -> None:
        """Everything that is due now: load changes, evaluate the waiting snapshots, write the results."""
        if self._is_changed or self._monotonic() >= self._next_look:
            self._is_changed = False
            self._look()
        if self._is_restored and not self._knows_contacts:
            self._known_contacts()
        # Without its tags, a rule limited to them would end its alerts.
        arrivals = self._arrivals.take(with_others=self._knows_contacts) if self._is_restored else []
        contacts = self._known_contacts() if any(not arrival.host_id for arrival in arrivals) else None
        failed = [arrival.host_id for arrival in arrivals if not self._judges(arrival, contacts)]
        has_news = bool(arrivals) and self._has_news()
        self._write()
        if has_news:
            self._show_open()  # after the attempt to write: the page of an alert that is shown exists
        self._write_evidence()
        if arrivals and "" not in failed:
            self.problems.pop(NOT_JUDGED, None)

    def _judges(self, arrival: Arrival, contacts: Mapping[str, HostContact] | None) -> bool:
        """Evaluate a snapshot and say whether that worked. One that cannot be evaluated costs no other host its turn."""
        problem = f"{NOT_JUDGED} of {arrival.snapshot.host}" if arrival.host_id else NOT_JUDGED
        try:
            self._judge(arrival, contacts)
        except Exception as error:
            if self.problems.get(problem) != str(error):
                log.exception(problem)
            self.problems[problem] = str(error)
            return False
        if arrival.host_id:
            self.problems.pop(problem, None)
        return True

    def _judge(self, arrival: Arrival, contacts: Mapping[str, HostContact] | None) -> None:
        if not self._shard.has(arrival.host_id):
            return
        host, snapshot = self._host(arrival.host_id), arrival.snapshot
        if arrival.position is not None:
            if arrival.is_repeated and arrival.position <= host.position:
                host.evaluation.follow(snapshot)
                return
            host.position = arrival.position
        if jump := host.jump(arrival):
            self._follow_clock(host, jump)
        events = host.evaluation.take(snapshot, None if arrival.host_id else contacts)
        self._unwritten.note(host.host_id, events)
        if self._evidence is not None:
            self._evidence.take(snapshot, events, arrival.host_id)
        if not arrival.host_id:
            self._keep(snapshot)
        identity = tuple([(gpu.uuid, gpu.index) for gpu in snapshot.gpus])
        if identity != host.gpus and self._database.reaches(
            "the list of known GPUs cannot be saved", lambda: store.remember_gpus(snapshot, arrival.host_id)
        ):
            host.gpus = identity

    def _host(self, host_id: str) -> HostAlerts:
        host = self._hosts.get(host_id)
        if host is None:
            host = self._hosts[host_id] = HostAlerts(host_id, Evaluation(host_id=host_id))
            host.evaluation.set_rules(row.rule for row in self._rules.values())
        return host

    def _known_contacts(self) -> Mapping[str, HostContact] | None:
        """The other hosts by their ids. Whatever is open about one that is gone has ended."""
        known = self._contacts()
        if known is None:
            return None
        self._knows_contacts = True
        contacts = {contact.host_id: contact for contact in known}
        for host in [host for host_id, host in self._hosts.items() if host_id]:
            contact = contacts.get(host.host_id)
            if contact is not None and not contact.is_gone:
                host.evaluation.tags = contact.tags
                continue
            because = REMOVED if contact is None else contact.why_not_expected
            self._unwritten.note(host.host_id, host.evaluation.end_all(because))
            self._dropped.hosts.append(host.host_id)
            del self._hosts[host.host_id]
        return contacts

    def _follow_clock(self, host: HostAlerts, seconds: float) -> None:
        """If the clock of a host was set, move the times of its open alerts with it: how long they fire stays true."""
        log.warning(
            "the clock%s was set by %+.0f s; the times of open alerts are moved with it",
            f" of host {host.host_id}" if host.host_id else "",
            seconds,
        )
        if not host.host_id:
            self._next_clean = self._monotonic() + CLEAN_SECONDS  # a wrong date must not delete the alert history
        if self._evidence is not None:
            self._evidence.shift(seconds, host.host_id)
        self._unwritten.add(host.host_id, host.evaluation.shift(seconds))

    def _look(self) -> None:
        """Load the current rules and acknowledgements; the first time, also restore the state of the previous run."""
        self._next_look = self._monotonic() + LOOK_SECONDS
        if self._database.reaches("rules cannot be read; the known ones stay in effect", self._load):
            self._show_open()

    def _load(self) -> None:
        limits = self._limits()
        if self._changes.may_exist() or limits != self._limits_then:
            self._load_changes(limits)
            self._changes.note_read()
        is_due = self._next_clean is None or self._monotonic() >= self._next_clean
        if self._shard.is_first and is_due and not self._hosts[""].is_jump(self._clock() - self._monotonic()):
            self._next_clean = self._monotonic() + CLEAN_SECONDS
            store.forget_before(self._clock(), days=self._retention_days())

    def _load_changes(self, limits: IdleLimits) -> None:
        revision = store.revision()
        if revision != self._revision or limits != self._limits_then:
            before, self._rules = self._rules, store.load_rules(limits)
            if self._is_restored:
                self._dropped.rules.extend(before.keys() - self._rules.keys())
                rules = [row.rule for row in self._rules.values()]
                for host in self._hosts.values():
                    self._unwritten.note(host.host_id, host.evaluation.set_rules(rules))
            else:
                self._restore()
            self._revision, self._limits_then = revision, limits
        open_ids = [event.id for host in self._hosts.values() for event in host.open]
        self._open.load(open_ids, self._clock())

    def _restore(self) -> None:
        """Continue every host that has open events or states, heard of since or not."""
        states, events, positions = store.load_states(), store.load_open_events(), store.load_positions()
        hosts: dict[str, HostAlerts] = {}
        for host_id in filter(self._shard.has, {"", *states, *events, *positions}):
            host = hosts[host_id] = HostAlerts(host_id, Evaluation(host_id=host_id or None))
            host.evaluation.set_rules(row.rule for row in self._rules.values())
            saved = store.continued(host.evaluation.judges.values(), states.get(host_id, {}))
            host.position = positions.get(host_id, 0)
            self._unwritten.add(host_id, host.evaluation.restore(events.get(host_id, ()), saved, at=self._clock()))
        self._hosts = hosts
        self._is_restored = True

    # ── The database ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self) -> None:
        """Write what is due. If the database does not respond, everything is kept for the next attempt."""
        while self._is_restored and self._writes_some() and self._unwritten:
            pass

    def _writes_some(self) -> bool:
        """Write the first events, and the states that are due: those of a host with its events. Whether that worked."""
        now = self._monotonic()
        is_time = now >= self._next_save
        events, dropped = self._unwritten.first(), self._dropped
        due = [
            host
            for host_id, host in self._hosts.items()
            if host_id in events or (is_time and host_id not in self._unwritten)
        ]
        judges = [HostJudge(host.host_id, judge) for host in due for judge in host.changed_judges()]
        if not self._unwritten and not judges and not any(self._dropped):
            # Check again after the usual interval, not at each reading.
            if is_time:
                self._next_save = now + SAVE_SECONDS
            return True
        if not self._database.reaches(
            "alerts cannot be saved now; they are saved later, in order",
            lambda: store.save(
                [event for of_host in events.values() for event in of_host],
                judges,
                dropped,
                positions={host.host_id: host.position for host in due if host.position},
                shard=self._shard,
                enqueue=self._enqueue,
                now=self._clock(),
            ),
        ):
            return False
        self._unwritten.forget(events)
        self._dropped = Dropped([], [])
        for host_id, judge in judges:
            self._hosts[host_id].note_saved(judge)
        if is_time:
            self._next_save = now + SAVE_SECONDS
        if events:
            self._written()
        return True

    def _write_evidence(self, *, is_last: bool = False) -> None:
        """Write the evidence that is due, once its alerts are written and on their way."""
        if self._evidence is not None and self._is_restored and not self._unwritten:
            self._evidence.write(self._database.wait_little, is_last=is_last)

    # ── For pages and feeds ───────────────────────────────────────────────────────────────────────────────────────────

    def _has_news(self) -> bool:
        """Whether events have fired or ended, or others are about to end."""
        is_clearing = [host.host_id for host in self._hosts.values() if host.follows_clearing()]
        return bool(is_clearing or self._unwritten)

    def _show_open(self) -> None:
        alerts = self._open.of(self._hosts.values(), self._rules, self._clock())
        if alerts != self._shown:
            self._shown = alerts
            self._show(alerts)
