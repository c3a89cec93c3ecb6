"""All rules over one host's snapshots, in order: what fires and what ends. Knows no database, no thread and no clock."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from monitor.rules.columns import Tick, is_of_host
from monitor.rules.judge import Change, Judge, State
from monitor.rules.making import Rule
from monitor.rules.summary import told, why_ended
from monitor.telemetry.schema import Snapshot

LONGEST_STEP_SECONDS = 60.0
"""Two readings further apart say nothing of the time between: the clock jumped, or the machine slept. Of such a step no
more than this is counted."""
EDITED = "the rule was edited"
DELETED = "the rule was deleted or switched off"
FORGOTTEN = "what was known of it was lost in a restart"
OTHER_HOST = "the rule is about other hosts"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One alert from the moment it fired; times are the readings' own."""

    id: str
    rule: Rule
    host: str
    subject: str
    gpu_uuid: str = ""
    gpu_index: int | None = None
    gpu_name: str = ""
    pid: int | None = None
    summary: str
    detail: str = ""
    metric: str = ""
    threshold: float | None = None
    value: float | None = None
    worst_value: float | None = None
    started_at: float
    fired_at: float
    resolved_at: float | None = None
    resolved_because: str = ""


class Evaluation:
    """Judges for every rule, fed with snapshots."""

    def __init__(self, make_id: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self.judges: dict[int, Judge] = {}
        self.open: dict[str, Event] = {}
        """Events that fire now, by their ids."""
        self._make_id = make_id
        self._places: dict[Any, Any] = {}
        self._read_at: float | None = None
        self._time: float | None = None
        self._now = 0.0
        self._silent_seconds = 0.0

    def set_rules(self, rules: Iterable[Rule]) -> list[Event]:
        """Judge by these from now on. What was open by a rule that is gone or differs ends; those events are returned."""
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
        """Go on after a restart, before the first snapshot, from the events still open and what each `Judge.saved` gave.

        Events of rules that were deleted or edited meanwhile are returned as ended, at Unix time `at`.
        """
        ended = []
        self._now = at
        for event in open_events:
            judge = self.judges.get(event.rule.id)
            if judge is not None and judge.rule == event.rule:
                self.open[event.id] = event
            else:
                because = DELETED if judge is None else EDITED
                ended.append(msgspec.structs.replace(event, resolved_at=at, resolved_because=because))
        for id_, states in saved.items():
            judge = self.judges.get(id_)
            if judge is not None:
                judge.restore(states)
                # Whatever fires has its event; one that was deleted by hand may fire anew.
                for key, state in [*judge.states.items()]:
                    if state.phase == "firing" and state.event_id not in self.open:
                        del judge.states[key]
        firing = {state.event_id for judge in self.judges.values() for state in judge.states.values()}
        for lost in [event_id for event_id in self.open if event_id not in firing]:
            event = self.open.pop(lost)
            ended.append(msgspec.structs.replace(event, resolved_at=at, resolved_because=FORGOTTEN))
        return ended

    def take(self, snapshot: Snapshot) -> list[Event]:
        """Judge one snapshot: events that fired, and events that ended (with `resolved_at`)."""
        is_fresh = snapshot.sampled_at is not None and not snapshot.stale
        is_read_anew = is_fresh and snapshot.sampled_at != self._read_at
        seconds = _step(self._time, snapshot.time)
        self._time = snapshot.time
        reading_seconds = 0.0
        if is_read_anew:
            if self._silent_seconds == 0:
                reading_seconds = _step(self._read_at, snapshot.sampled_at)
            self._read_at = snapshot.sampled_at
        self._silent_seconds = 0.0 if is_fresh else self._silent_seconds + seconds
        tick = Tick(snapshot, silent_seconds=self._silent_seconds, places=self._places)
        at = self._now = snapshot.sampled_at if is_fresh and snapshot.sampled_at is not None else snapshot.time
        changes: list[tuple[Change, Tick]] = []
        for judge in self.judges.values():
            rule = judge.rule
            if rule.which.host_pattern and not rule.which.fits_host(snapshot.host):
                changes += [(change, tick) for change in judge.end(at, OTHER_HOST)]
                continue
            if is_of_host(rule):
                found = judge.step(tick.column(rule, judge.memory), seconds, snapshot.time)
            elif is_read_anew:
                found = judge.step(tick.column(rule, judge.memory), reading_seconds, at)
            else:
                continue
            if found:
                changes += [(change, tick) for change in found]
        return [
            self._fired(change, tick) if change.what == "fired" else self._ended(change, snapshot)
            for change, tick in changes
        ]

    def _fired(self, change: Change, tick: Tick) -> Event:
        assert change.column is not None
        assert change.state.fired_at is not None
        words = told(change, tick)
        gpu = change.column.gpus[change.place] if change.column.gpus else None
        process = change.column.processes[change.place] if change.column.processes else None
        change.state.event_id = self._make_id()
        event = Event(
            id=change.state.event_id,
            rule=change.rule,
            host=tick.snapshot.host,
            subject=change.key,
            gpu_uuid=gpu.uuid if gpu else "",
            gpu_index=gpu.index if gpu else None,
            gpu_name=gpu.name if gpu else "",
            pid=process.pid if process else None,
            summary=words.summary,
            detail=words.detail,
            metric=words.metric,
            threshold=words.threshold,
            value=words.value,
            worst_value=words.value,
            started_at=change.state.started_at,
            fired_at=change.state.fired_at,
        )
        self.open[event.id] = event
        return event

    def _ended(self, change: Change, snapshot: Snapshot | None = None) -> Event:
        event = self.open.pop(change.state.event_id)
        return msgspec.structs.replace(
            event,
            worst_value=_worst(event, change.state),
            resolved_at=change.at,
            resolved_because=why_ended(change, snapshot),
        )


def _worst(event: Event, state: State) -> float | None:
    """The worst value as the event tells values: a state has them as distances from the GPU's own limit, if from any."""
    if event.rule.kind not in ("threshold", "stale", "several_users"):
        return event.worst_value
    if not event.rule.relative_to or event.value is None or state.value is None or state.worst is None:
        return state.worst
    return event.value + (state.worst - state.value)


def _step(before: float | None, now: float | None) -> float:
    """Seconds from one reading to the next that count."""
    if before is None or now is None:
        return 0.0
    return min(LONGEST_STEP_SECONDS, max(0.0, now - before))
