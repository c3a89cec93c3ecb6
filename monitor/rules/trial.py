"""Tests a rule on past readings: the alerts that it would have fired, and the values that it compared."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable

import msgspec

from monitor.rules.columns import Column
from monitor.rules.evaluation import LONGEST_STEP_SECONDS, Evaluation, Event
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
    gap_seconds: float = LONGEST_STEP_SECONDS
    """Values further apart than this have a gap between them."""

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


class Trial:
    """A rule under test: give it the snapshots in order, then ask for the result."""

    def __init__(
        self,
        rule: Rule,
        *,
        tags: tuple[str, ...] = (),
        track_seconds: float = 0.0,
        gap_seconds: float = LONGEST_STEP_SECONDS,
    ) -> None:
        """`tags`: of the host. `track_seconds`: of the values in a span of this length, the tracks keep the worst; with 0, every
        value.
        """
        self._gap_seconds = max(gap_seconds, 2 * track_seconds)
        self._judge = _RecordingJudge(rule, track_seconds)
        self._evaluation = Evaluation()
        self._evaluation.tags = tags
        self._evaluation.judges[rule.id] = self._judge
        self._events: dict[str, Event] = {}
        self._count = 0
        self._began_at: float | None = None
        self._ended_at: float | None = None

    def take(self, snapshot: Snapshot) -> None:
        """Evaluate the next snapshot, as the engine would."""
        self._count += 1
        self._ended_at = snapshot.time
        if self._began_at is None:
            self._began_at = snapshot.time
        for event in self._evaluation.take(snapshot):
            self._events[event.id] = event

    @property
    def waiting(self) -> frozenset[str]:
        """The subjects for which the condition holds or an alert fires. For others, values that do not meet it change nothing."""
        return frozenset(self._judge.states)

    def result(self) -> Tried:
        """What has fired so far."""
        return Tried(
            rule=self._judge.rule,
            events=tuple(self._events.values()),
            tracks=self._judge.tracks,
            readings=self._count,
            began_at=self._began_at,
            ended_at=self._ended_at,
            gap_seconds=self._gap_seconds,
        )


def try_rule(rule: Rule, snapshots: Iterable[Snapshot]) -> Tried:
    """Evaluate the snapshots in order. Errors of the iterable reach the caller."""
    trial = Trial(rule)
    for snapshot in snapshots:
        trial.take(snapshot)
    return trial.result()


class _RecordingJudge(Judge):
    """A judge that records the values it was given."""

    def __init__(self, rule: Rule, track_seconds: float) -> None:
        super().__init__(rule)
        self.tracks: dict[str, Track] = {}
        self._track_seconds = track_seconds
        self._worse: Callable[[float, float], float] = max if rule.comparator.startswith(">") else min

    def step(self, column: Column, seconds: float, at: float) -> list[Change]:
        for place, (key, value) in enumerate(zip(column.keys, column.values, strict=True)):
            track = self.tracks.get(key)
            if track is None:
                label = kind_of(self.rule).subject_label(key, column, place)
                track = self.tracks[key] = Track(label=label, times=array("d"), values=array("d"))
            base = column.bases[place] if column.bases else None
            if base is not None:
                track.base = base
            self._keep(track, at, math.nan if value is None else value + (base or 0.0))
        return super().step(column, seconds, at)

    def _keep(self, track: Track, at: float, value: float) -> None:
        if self._track_seconds:
            at -= at % self._track_seconds  # the same times for all subjects, which share an axis
        if track.times and at == track.times[-1]:
            before = track.values[-1]
            if math.isnan(before):
                track.values[-1] = value
            elif not math.isnan(value):
                track.values[-1] = self._worse(before, value)
            return
        track.times.append(at)
        track.values.append(value)
