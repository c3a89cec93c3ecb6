"""A rule tried on readings that have been: what it would have fired, and the values it looked at."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable

import msgspec

from monitor.rules.columns import HOST, Column
from monitor.rules.evaluation import Evaluation, Event
from monitor.rules.judge import Change, Judge
from monitor.rules.making import Rule
from monitor.telemetry.schema import Snapshot


class Track(msgspec.Struct, kw_only=True):
    """The values of one subject that the rule compared, NaN where unknown; not measured from the GPU's own limit."""

    label: str
    times: array[float]
    values: array[float]
    base: float | None = None
    """The GPU's own limit that the rule measures from, as last seen."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Times are the readings' own, Unix seconds."""

    rule: Rule
    events: tuple[Event, ...]
    """Everything that fired, in order, with its end where it ended."""
    tracks: dict[str, Track]
    """By subject."""
    readings: int
    began_at: float | None
    ended_at: float | None

    @property
    def firing(self) -> tuple[Event, ...]:
        """What fires at the end."""
        return tuple(event for event in self.events if event.resolved_at is None)

    @property
    def firing_seconds(self) -> float:
        """For how long it fired, all subjects together."""
        return sum(self.fired_seconds(event) for event in self.events)

    def fired_seconds(self, event: Event) -> float:
        """For how long one fired so far; 0 where the readings' clock was set back meanwhile."""
        return max(0.0, (event.resolved_at or self.ended_at or event.fired_at) - event.fired_at)

    @property
    def has_values(self) -> bool:
        """Whether there was anything to compare."""
        return any(not math.isnan(value) for track in self.tracks.values() for value in track.values)


def try_rule(rule: Rule, snapshots: Iterable[Snapshot]) -> Tried:
    """Judge the snapshots in their order, as the engine would. What iterating raises goes on to the caller."""
    evaluation, judge = Evaluation(), _Watching(rule)
    evaluation.judges[rule.id] = judge
    events: dict[str, Event] = {}
    count, began_at, ended_at = 0, None, None
    for snapshot in snapshots:
        count += 1
        ended_at = snapshot.time
        if began_at is None:
            began_at = snapshot.time
        for event in evaluation.take(snapshot):
            events[event.id] = event
    return Tried(
        rule=rule,
        events=tuple(events.values()),
        tracks=judge.tracks,
        readings=count,
        began_at=began_at,
        ended_at=ended_at,
    )


class _Watching(Judge):
    """A judge that notes what it was shown."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        self.tracks: dict[str, Track] = {}

    def step(self, column: Column, seconds: float, at: float) -> list[Change]:
        for place, (key, value) in enumerate(zip(column.keys, column.values, strict=True)):
            track = self.tracks.get(key)
            if track is None:
                label = _label(key, self.rule, column, place)
                track = self.tracks[key] = Track(label=label, times=array("d"), values=array("d"))
            base = column.bases[place] if column.bases else None
            if base is not None:
                track.base = base
            track.times.append(at)
            track.values.append(math.nan if value is None else value + (base or 0.0))
        return super().step(column, seconds, at)


def _label(key: str, rule: Rule, column: Column, place: int) -> str:
    if key == HOST:
        return "host"
    gpu = f"GPU {column.gpus[place].index}"
    if rule.kind == "xid" and (code := column.details[place]) is not None:
        return f"Xid {code} on {gpu}"
    return f"PID {column.processes[place].pid} on {gpu}" if column.processes else gpu
