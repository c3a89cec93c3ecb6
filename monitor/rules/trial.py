"""Tests a rule on past readings: the alerts that it would have fired, and the values that it compared."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable

import msgspec

from monitor.rules.columns import Column
from monitor.rules.evaluation import Evaluation, Event
from monitor.rules.judge import Change, Judge
from monitor.rules.kinds.registry import kind_of
from monitor.rules.rule import Rule
from monitor.rules.sentences import lasted_seconds
from monitor.telemetry.schema import Snapshot


class Track(msgspec.Struct, kw_only=True):
    """The values of one subject, NaN where unknown, in absolute terms (not as offsets from the GPU's own limit)."""

    label: str
    times: array[float]
    values: array[float]
    base: float | None = None
    """The GPU limit that the rule's threshold is an offset from, as last seen."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """The result. Times are the readings' own, Unix seconds."""

    rule: Rule
    events: tuple[Event, ...]
    """Every alert in the order it fired, with its end if it resolved."""
    tracks: dict[str, Track]
    """By subject."""
    readings: int
    began_at: float | None
    ended_at: float | None

    @property
    def firing(self) -> tuple[Event, ...]:
        """The alerts that still fire at the end."""
        return tuple(event for event in self.events if event.resolved_at is None)

    @property
    def firing_seconds(self) -> float:
        """How long alerts fired, all subjects together."""
        return sum(self.fired_seconds(event) for event in self.events)

    def fired_seconds(self, event: Event) -> float:
        """How long one alert fired so far; 0 if the readings' clock was set meanwhile."""
        return lasted_seconds(event, self.ended_at) or 0.0

    @property
    def has_values(self) -> bool:
        """Whether any value was known."""
        return any(not math.isnan(value) for track in self.tracks.values() for value in track.values)


def try_rule(rule: Rule, snapshots: Iterable[Snapshot]) -> Tried:
    """Evaluate the snapshots in order, as the engine would. Errors of the iterable reach the caller."""
    evaluation, judge = Evaluation(), _RecordingJudge(rule)
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


class _RecordingJudge(Judge):
    """A judge that records the values it was given."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        self.tracks: dict[str, Track] = {}

    def step(self, column: Column, seconds: float, at: float) -> list[Change]:
        for place, (key, value) in enumerate(zip(column.keys, column.values, strict=True)):
            track = self.tracks.get(key)
            if track is None:
                label = kind_of(self.rule).subject_label(key, column, place)
                track = self.tracks[key] = Track(label=label, times=array("d"), values=array("d"))
            base = column.bases[place] if column.bases else None
            if base is not None:
                track.base = base
            track.times.append(at)
            track.values.append(math.nan if value is None else value + (base or 0.0))
        return super().step(column, seconds, at)
