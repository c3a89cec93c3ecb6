"""The state machine of one rule: inactive → pending → firing → resolved, for each subject, by the readings' own time.

Unknown values neither fire nor clear, and their time is not counted. When a subject disappears, its alert resolves.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from monitor.rules.choices import COMPARE, Phase
from monitor.rules.columns import Column, Memory
from monitor.rules.rule import Rule

log = logging.getLogger(__name__)


class State(msgspec.Struct, kw_only=True):
    """The state of one subject. `since` and `clear_since` are by the judge's own clock, which never jumps."""

    phase: Phase
    since: float
    started_at: float
    """When the condition was first met, Unix seconds by the readings."""
    clear_since: float | None = None
    fired_at: float | None = None
    value: float | None = None
    worst: float | None = None
    event_id: str = ""

    def wait(self, seconds: float) -> None:
        """Do not count the time since the last reading: the value was unknown."""
        self.since += seconds
        if self.clear_since is not None:
            self.clear_since += seconds


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A subject started or stopped firing."""

    what: Literal["fired", "resolved"]
    rule: Rule
    key: str
    state: State
    at: float
    column: Column | None = None
    """The column of the value; None if the subject is gone."""
    place: int = 0
    because: str = ""


class Judge:
    """One rule and all its subjects."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.states: dict[str, State] = {}
        self.memory: Memory = {}
        self.elapsed = 0.0
        """Seconds of readings that this rule was evaluated on."""
        self.is_changed = False
        """Whether anything differs from what was last saved."""
        self._is_bad = COMPARE[rule.comparator]
        self._is_upward = rule.comparator.startswith(">")

    def step(self, column: Column, seconds: float, at: float) -> list[Change]:
        """Evaluate one reading, taken `seconds` after the one before."""
        self.elapsed = now = self.elapsed + seconds
        rule, states, is_bad = self.rule, self.states, self._is_bad
        threshold = rule.threshold
        if not states:
            extreme = column.extreme(is_upward=self._is_upward)
            if extreme is None or not is_bad(extreme, threshold):
                return []
        open_before, touched = len(states), 0
        changes: list[Change] = []
        keys = column.keys
        for place, value in enumerate(column.values):
            key = keys[place]
            state = states.get(key)
            if state is None:
                if value is not None and is_bad(value, threshold):
                    states[key] = state = State(phase="pending", since=now, started_at=at, worst=float(value))
                    self.is_changed = True
                    if rule.for_seconds <= 0:
                        changes.append(self._fire(key, state, at, column, place, value))
                continue
            touched += 1
            if value is None:
                state.wait(seconds)
            elif is_bad(value, threshold):
                if state.worst is None or (value > state.worst if self._is_upward else value < state.worst):
                    state.worst = float(value)
                    self.is_changed = True
                if state.clear_since is not None:
                    state.clear_since = None
                    self.is_changed = True
                if state.phase == "pending" and now - state.since >= rule.for_seconds:
                    changes.append(self._fire(key, state, at, column, place, value))
            elif state.phase == "pending":
                del states[key]
                self.is_changed = True
            elif is_bad(value, rule.clears_at):
                if state.clear_since is not None:
                    state.clear_since = None
                    self.is_changed = True
            else:
                if state.clear_since is None:
                    state.clear_since = now
                    self.is_changed = True
                if now - state.clear_since >= rule.clear_for_seconds:
                    changes.append(self._resolve(key, at, column, place))
        if touched < open_before:
            there = set(keys)
            for key in [*states]:
                if key in there:
                    continue
                if column.is_hidden(key):
                    states[key].wait(seconds)
                else:
                    changes += self._leave(key, at)
        return changes

    def shift(self, seconds: float) -> None:
        """The clock was moved by this many seconds. The timers have a clock of their own."""
        for state in self.states.values():
            state.started_at += seconds
            if state.fired_at is not None:
                state.fired_at += seconds
        self.is_changed = self.is_changed or bool(self.states)

    def end(self, at: float, because: str) -> list[Change]:
        """Resolve everything that fires: the rule is gone or changed."""
        return [change for key in [*self.states] for change in self._leave(key, at, because)]

    @property
    def has_timers(self) -> bool:
        """Whether a subject is pending or clearing, so that saved states soon get outdated."""
        return any(state.phase == "pending" or state.clear_since is not None for state in self.states.values())

    def saved(self) -> dict[str, dict[str, Any]]:
        """The states to store, by subject; times as elapsed seconds, since the clock restarts with the process."""
        found: dict[str, dict[str, Any]] = {}
        for key, state in self.states.items():
            kept: dict[str, Any] = msgspec.to_builtins(state)
            kept["since"] = self.elapsed - state.since
            kept["clear_since"] = None if state.clear_since is None else self.elapsed - state.clear_since
            found[key] = kept
        return found

    def restore(self, saved: Mapping[str, dict[str, Any]]) -> None:
        """Continue from what `saved` gave before a restart. States in another version's form are logged and dropped."""
        for key, kept in saved.items():
            try:
                state = msgspec.convert(kept, State)
            except msgspec.ValidationError as error:
                log.warning("cannot read the stored state of %r of rule %r: %s", key, self.rule.name, error)
                continue
            state.since = self.elapsed - state.since
            if state.clear_since is not None:
                state.clear_since = self.elapsed - state.clear_since
            self.states[key] = state

    def _fire(self, key: str, state: State, at: float, column: Column, place: int, value: float) -> Change:
        state.phase, state.fired_at, state.value = "firing", at, float(value)  # booleans become 1 and 0
        self.is_changed = True
        return Change(what="fired", rule=self.rule, key=key, state=state, at=at, column=column, place=place)

    def _resolve(self, key: str, at: float, column: Column | None, place: int = 0, because: str = "") -> Change:
        self.is_changed = True
        state = self.states.pop(key)
        return Change(
            what="resolved", rule=self.rule, key=key, state=state, at=at, column=column, place=place, because=because
        )

    def _leave(self, key: str, at: float, because: str = "") -> list[Change]:
        if self.states[key].phase == "firing":
            return [self._resolve(key, at, None, because=because)]
        del self.states[key]
        self.is_changed = True
        return []
