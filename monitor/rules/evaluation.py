"""Evaluates all rules on one host's snapshots, in order: what fires and what resolves. No database, thread or clock."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from monitor.rules.columns import Tick
from monitor.rules.host_contact import HostContact
from monitor.rules.judge import Change, Judge, State
from monitor.rules.kinds.registry import KINDS, kind_of
from monitor.rules.rule import Rule
from monitor.telemetry.schema import Alert, Snapshot

LONGEST_STEP_SECONDS = 60.0
"""The most that a gap between two readings counts, and two intervals at most: if it is longer, the clock jumped or the host was
suspended.
"""
_STEPS_TO_LEARN = 3
EDITED = "the rule was edited"
DELETED = "the rule was deleted or disabled"
FORGOTTEN = "its state was lost in a restart"
OTHER_HOST = "the rule applies to other hosts"


class Event(Alert, frozen=True, kw_only=True):
    """An alert together with what its evaluation needs. Times are the readings' own."""

    rule_then: Rule
    """The rule when the alert fired."""
    subject: str

    def alert(self) -> Alert:
        """The alert without what only the evaluation needs."""
        return Alert(**{name: getattr(self, name) for name in Alert.__struct_fields__})


class Evaluation:
    """A judge for every rule, fed with the snapshots of one host."""

    def __init__(self, make_id: Callable[[], str] = lambda: str(uuid.uuid4()), *, host_id: str | None = None) -> None:
        """`host_id`: of a host whose agent has joined; None: the host that the server runs on."""
        self._host_id = host_id
        self.tags: tuple[str, ...] = ()
        """Of the host, by which rules can select it."""
        self.judges: dict[int, Judge] = {}
        self.open: dict[str, Event] = {}
        """Firing events by id."""
        self._make_id = make_id
        self._places: dict[Any, Any] = {}
        self._read_at: float | None = None
        self._snapshots = _Steps()
        self._readings = _Steps()
        self._now = 0.0
        self._silent_seconds = 0.0

    def set_rules(self, rules: Iterable[Rule]) -> list[Event]:
        """Evaluate these rules from now on. Open events of rules that are gone or changed resolve; those are returned."""
        wanted = {rule.id: rule for rule in rules}
        ended: list[Event] = []
        for id_, judge in [*self.judges.items()]:
            if id_ not in wanted or wanted[id_] != judge.rule:
                because = EDITED if id_ in wanted else DELETED
                ended += [self._ended(change) for change in judge.end(self._now, because)]
                del self.judges[id_]
        for id_, rule in wanted.items():
            if id_ not in self.judges:
                self.judges[id_] = Judge(rule)
        return ended

    def restore(
        self, open_events: Iterable[Event], saved: Mapping[int, Mapping[str, dict[str, Any]]], *, at: float
    ) -> list[Event]:
        """Continue after a restart, before the first snapshot, from the open events and the states that `Judge.saved` gave.

        Events of rules that were deleted or edited meanwhile are returned as resolved, at Unix time `at`.
        """
        ended = []
        self._now = at
        for event in open_events:
            judge = self.judges.get(event.rule_then.id)
            if judge is not None and judge.rule == event.rule_then:
                self.open[event.id] = event
            else:
                because = DELETED if judge is None else EDITED
                ended.append(_resolved(event, at, because))
        for id_, states in saved.items():
            judge = self.judges.get(id_)
            if judge is not None:
                judge.restore(states)
                # A firing state needs its event; if that was deleted by hand, the rule can fire again.
                for key, state in [*judge.states.items()]:
                    if state.phase == "firing" and state.event_id not in self.open:
                        del judge.states[key]
        firing = {state.event_id for judge in self.judges.values() for state in judge.states.values()}
        for lost in [event_id for event_id in self.open if event_id not in firing]:
            event = self.open.pop(lost)
            ended.append(_resolved(event, at, FORGOTTEN))
        return ended

    def shift(self, seconds: float) -> list[Event]:
        """The clock was moved by this many seconds: move all times with it, so that differences stay true. The open events."""
        self._snapshots.shift(seconds)
        self._readings.shift(seconds)
        self._now += seconds
        for judge in self.judges.values():
            judge.shift(seconds)
        for event in [*self.open.values()]:
            self.open[event.id] = msgspec.structs.replace(
                event, started_at=event.started_at + seconds, fired_at=event.fired_at + seconds
            )
        return [*self.open.values()]

    def clearing(self) -> set[str]:
        """The ids of the open events whose condition no longer holds."""
        return {
            state.event_id
            for judge in self.judges.values()
            for state in judge.states.values()
            if state.phase == "firing" and state.clear_since is not None
        }

    def end_all(self, because: str) -> list[Event]:
        """Resolve every open event: the host is gone."""
        changes = [change for judge in self.judges.values() for change in judge.end(self._now, because)]
        return [self._ended(change) for change in changes]

    def take(self, snapshot: Snapshot, contacts: Mapping[str, HostContact] | None = None) -> list[Event]:
        """Evaluate one snapshot: the events that fired and those that resolved (with `resolved_at`). `contacts`: the other hosts,
        with the hub's own snapshots; without them, rules about hosts wait.
        """
        seconds, reading_seconds = self._advance(snapshot)
        tick = Tick(
            snapshot,
            silent_seconds=self._silent_seconds,
            places=self._places,
            host_id=self._host_id,
            contacts=contacts,
        )
        at = self._now
        changes: list[tuple[Change, Tick]] = []
        for judge in self.judges.values():
            rule = judge.rule
            kind = kind_of(rule)
            if kind.is_of_fleet:
                if contacts is None:
                    continue
            elif rule.which.hosts and not rule.which.fits_host(snapshot.host, self.tags):
                changes += [(change, tick) for change in judge.end(at, OTHER_HOST)]
                continue
            if kind.is_of_host(rule):
                found = judge.step(kind.column(tick, rule, judge.memory), seconds, snapshot.time)
            elif reading_seconds is not None:
                found = judge.step(kind.column(tick, rule, judge.memory), reading_seconds, at)
            else:
                continue
            if found:
                changes += [(change, tick) for change in found]
        return [
            self._fired(change, tick) if change.what == "fired" else self._ended(change, tick)
            for change, tick in changes
        ]

    def follow(self, snapshot: Snapshot) -> None:
        """Take note of a snapshot that was evaluated before a restart: the time to the next one counts from it."""
        self._advance(snapshot)

    def _advance(self, snapshot: Snapshot) -> tuple[float, float | None]:
        """The seconds since the snapshot before, and since the reading before; None if this one has no new reading."""
        sampled_at = None if snapshot.stale else snapshot.sampled_at
        seconds, reading_seconds = self._snapshots.next(snapshot.time), None
        if sampled_at is not None and sampled_at != self._read_at:
            reading_seconds = self._readings.next(sampled_at, is_after_gap=self._silent_seconds > 0)
            self._read_at = sampled_at
        self._silent_seconds = self._silent_seconds + seconds if sampled_at is None else 0.0
        self._now = snapshot.time if sampled_at is None else sampled_at
        return seconds, reading_seconds

    def _fired(self, change: Change, tick: Tick) -> Event:
        assert change.column is not None
        assert change.state.fired_at is not None
        rule, kind = change.rule, kind_of(change.rule)
        words, host = kind.words(change, tick), kind.host_of(change, tick)
        gpu = change.column.gpus[change.place] if change.column.gpus else None
        process = change.column.processes[change.place] if change.column.processes else None
        change.state.event_id = self._make_id()
        event = Event(
            id=change.state.event_id,
            rule=rule.name,
            rule_then=rule,
            severity=rule.severity,
            host=host.name,
            host_id=host.host_id,
            subject=change.key,
            gpu_uuid=gpu.uuid if gpu else None,
            gpu_index=gpu.index if gpu else None,
            gpu_name=gpu.name or None if gpu else None,
            pid=process.pid if process else None,
            summary=words.summary,
            detail=words.detail or None,
            metric=words.metric or None,
            threshold=words.threshold,
            value=words.value,
            worst_value=words.value,
            timed_by=kind.timed_by,
            started_at=change.state.started_at,
            fired_at=change.state.fired_at,
        )
        self.open[event.id] = event
        return event

    def _ended(self, change: Change, tick: Tick | None = None) -> Event:
        event = self.open.pop(change.state.event_id)
        return _resolved(event, change.at, _why_ended(change, tick), worst_value=_worst(event, change.state))


def _resolved(event: Event, at: float, because: str, **changes: Any) -> Event:
    over = msgspec.structs.replace(event, state="resolved", resolved_at=at, resolved_because=because, **changes)
    kind = KINDS.get(event.rule_then.kind)
    return (
        over if kind is None else msgspec.structs.replace(over, summary=kind.summary_when_over(over, event.rule_then))
    )


def _why_ended(change: Change, tick: Tick | None) -> str:
    """Why the alert resolved; `tick` is the one that resolved it, None if none did."""
    if change.because:
        return change.because
    kind = kind_of(change.rule)
    if change.column is not None:
        return kind.why_cleared(change)
    if reason := kind.why_gone(change.key, tick):
        return reason
    uuid = change.key.partition("/")[0]
    is_there = tick is not None and any(gpu.uuid == uuid for gpu in tick.snapshot.gpus)
    return "the rule no longer applies to this GPU" if is_there else "this GPU is no longer on the host"


def _worst(event: Event, state: State) -> float | None:
    """Worst value in absolute terms (states store it relative to the GPU's limit)."""
    rule = event.rule_then
    if not kind_of(rule).reports_worst:
        return event.worst_value
    if not rule.relative_to or event.value is None or state.value is None or state.worst is None:
        return state.worst
    return event.value + (state.worst - state.value)


class _Steps:
    """The seconds from one moment to the next, as far as they count."""

    def __init__(self) -> None:
        self._before: float | None = None
        self._interval = 0.0
        """The usual step, learned from the steps so far; 0 if none is known."""
        self._count = 0
        self._was_long = False

    def shift(self, seconds: float) -> None:
        """The clock was moved by this many seconds."""
        if self._before is not None:
            self._before += seconds

    def next(self, now: float, *, is_after_gap: bool = False) -> float:
        """The step to `now`; 0 for the first one, and after a gap in which nothing is known to have been the case."""
        before, self._before = self._before, now
        if before is None or is_after_gap:
            return 0.0
        seconds = min(LONGEST_STEP_SECONDS, max(0.0, now - before))
        self._count += 1
        is_long = self._count > _STEPS_TO_LEARN and 0 < 2 * self._interval < seconds
        if is_long and not self._was_long:  # a jump; a second one in a row is a new interval
            self._was_long = True
            return 2 * self._interval
        self._was_long = False
        # It shrinks slowly: some readings follow one another closely.
        self._interval = max(seconds, 0.9 * self._interval)
        return seconds
