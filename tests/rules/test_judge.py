"""The state machine of one rule, by examples and by random sequences of readings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.rules.columns import Column
from monitor.rules.judge import Change, Judge
from monitor.rules.rule import Rule


def rule(**changes: Any) -> Rule:
    """Fires at or above 90 for 10 s; resolves below 80 for 5 s."""
    values: dict[str, Any] = {
        "id": 1, "name": "hot", "kind": "threshold", "metric": "gpu.temperature_celsius", "comparator": ">=",
        "threshold": 90.0, "clear_threshold": 80.0, "for_seconds": 10.0, "clear_for_seconds": 5.0,
    }  # fmt: skip
    return Rule(**{**values, **changes})


def play(judge: Judge, *readings: tuple[float, float | None], key: str = "a") -> list[tuple[str, float]]:
    """Evaluate (time, value) pairs; return what happened and when."""
    happened, before = [], readings[0][0]
    for at, value in readings:
        for change in judge.step(Column([key], [value]), at - before, at):
            happened.append((change.what, at))
        before = at
    return happened


def test_alert_fires_only_after_the_condition_held_for_its_duration() -> None:
    assert play(Judge(rule()), (0, 95), (9, 95), (10, 95), (11, 99)) == [("fired", 10)]


def test_dip_below_the_threshold_restarts_the_timer() -> None:
    assert play(Judge(rule()), (0, 95), (9, 89), (10, 95), (19, 95), (20, 95)) == [("fired", 20)]


def test_alert_resolves_only_beyond_the_clear_threshold_and_after_its_duration() -> None:
    story = [(0, 95), (10, 95), (20, 85), (40, 85), (50, 79), (54, 79), (55, 79)]
    assert play(Judge(rule()), *story) == [("fired", 10), ("resolved", 55)]


def test_value_between_the_thresholds_restarts_the_clear_timer() -> None:
    story = [(0, 95), (10, 95), (11, 79), (15, 85), (16, 79), (20, 79), (21, 79)]
    assert play(Judge(rule()), *story) == [("fired", 10), ("resolved", 21)]


def test_rule_without_a_duration_fires_at_the_first_reading() -> None:
    assert play(Judge(rule(for_seconds=0.0)), (5, 90)) == [("fired", 5)]


def test_time_with_an_unknown_value_does_not_count() -> None:
    judge = Judge(rule())
    assert play(judge, (0, 95), (5, 95), (30, None), (60, None), (64, 95)) == []
    assert play(judge, (64, 95), (66, 95)) == [("fired", 66)]


def test_unknown_value_does_not_resolve_an_alert() -> None:
    judge = Judge(rule(for_seconds=0.0))
    assert play(judge, (0, 95), (1, 70), (100, None), (200, None)) == [("fired", 0)]
    assert play(judge, (200, None), (204, 70)) == []
    assert play(judge, (204, 70), (205, 70)) == [("resolved", 205)]


def test_missing_subject_resolves_its_alert_and_clears_its_timer() -> None:
    judge = Judge(rule(for_seconds=0.0))
    judge.step(Column(["a", "b"], [95, 95]), 0, 0)
    (change,) = judge.step(Column(["b"], [95]), 1, 1)
    assert (change.what, change.key, change.column) == ("resolved", "a", None)
    pending = Judge(rule())
    pending.step(Column(["a"], [95]), 0, 0)
    assert pending.step(Column(["b"], [1]), 1, 1) == []
    assert pending.states == {}


def test_worst_value_is_the_farthest_beyond_the_threshold() -> None:
    judge = Judge(rule(for_seconds=0.0))
    play(judge, (0, 95), (1, 99), (2, 92))
    assert judge.states["a"].worst == 99
    cold = Judge(rule(comparator="<", threshold=10.0, clear_threshold=None, for_seconds=0.0))
    play(cold, (0, 9), (1, 3), (2, 8))
    assert (cold.states["a"].value, cold.states["a"].worst) == (9, 3)


@pytest.mark.parametrize(
    ("comparator", "bad", "good"), [(">", 91, 90), (">=", 90, 89.9), ("<", 89, 90), ("<=", 90, 90.1)]
)
def test_each_comparator_is_exact_at_the_threshold(comparator: str, bad: float, good: float) -> None:
    judge = Judge(rule(comparator=comparator, clear_threshold=None, for_seconds=0.0, clear_for_seconds=0.0))
    assert play(judge, (0, good), (1, bad), (2, good)) == [("fired", 1), ("resolved", 2)]


def test_zero_is_a_value() -> None:
    judge = Judge(rule(comparator="<=", threshold=0.0, clear_threshold=None, for_seconds=0.0))
    assert play(judge, (0, 0.0)) == [("fired", 0)]


VALUES = st.one_of(st.none(), st.floats(0, 120), st.sampled_from([80.0, 90.0]))
STEPS = st.lists(
    st.tuples(st.floats(0, 30), st.lists(VALUES, min_size=3, max_size=3), st.sets(st.integers(0, 2))), max_size=60
)
RULES = st.builds(
    rule,
    for_seconds=st.sampled_from([0.0, 1.0, 10.0]),
    clear_for_seconds=st.sampled_from([0.0, 5.0]),
    clear_threshold=st.sampled_from([None, 80.0]),
)


def replayed(
    judged: Rule, steps: list[Any], *, restarts_at: frozenset[int] = frozenset()
) -> list[tuple[str, str, float]]:
    """The events; at some steps the state is saved as JSON and restored by a new judge."""
    judge, at = Judge(judged), 0.0
    happened = []
    for number, (seconds, values, missing) in enumerate(steps):
        if number in restarts_at:
            kept = json.loads(json.dumps(judge.saved()))
            judge = Judge(judged)
            judge.restore(kept)
        at += seconds
        keys = [key for key in range(3) if key not in missing]
        column = Column([str(key) for key in keys], [values[key] for key in keys])
        changes: list[Change] = judge.step(column, seconds, at)
        happened += [(change.what, change.key, at) for change in changes]
    return happened


@given(RULES, STEPS)
def test_alert_resolves_before_it_fires_again(judged: Rule, steps: list[Any]) -> None:
    order: dict[str, list[str]] = {}
    for what, key, _ in replayed(judged, steps):
        order.setdefault(key, []).append(what)
    for sequence in order.values():
        assert sequence == [("fired", "resolved")[place % 2] for place in range(len(sequence))]


@given(RULES, st.lists(st.tuples(st.floats(0.5, 30), VALUES), max_size=60))
def test_alert_never_fires_before_the_condition_was_observed_for_its_duration(judged: Rule, steps: list[Any]) -> None:
    judge, at, held = Judge(judged), 0.0, None
    for seconds, value in steps:
        at += seconds
        if value is not None and value < 90:
            held = None
        elif value is not None:
            held = 0.0 if held is None else held + seconds
        for change in judge.step(Column(["a"], [value]), seconds, at):
            if change.what == "fired":
                assert held is not None
                assert held >= judged.for_seconds - 1e-6


@given(RULES, STEPS, st.frozensets(st.integers(0, 60)))
def test_restart_in_any_state_changes_nothing(judged: Rule, steps: list[Any], restarts: frozenset[int]) -> None:
    # Whole seconds: a timer saved as a difference of floats could miss its time by a rounding error.
    steps = [(float(round(seconds)), values, missing) for seconds, values, missing in steps]
    assert replayed(judged, steps, restarts_at=restarts) == replayed(judged, steps)


def test_booleans_are_saved_as_1_and_0() -> None:
    """Regression: `true` was saved, which is not read back as a number: after a restart evaluation stopped."""
    judged = rule(metric="gpu.remapped_rows_are_pending", threshold=1.0, clear_threshold=None, for_seconds=0.0)
    judge = Judge(judged)
    assert play(judge, (0, True)) == [("fired", 0)]
    after = Judge(judged)
    after.restore(json.loads(json.dumps(judge.saved())))
    assert after.states == judge.states
    assert play(after, (1, False), (7, False)) == [("resolved", 7)]


def test_state_of_another_version_is_skipped_and_the_rest_is_restored(caplog: pytest.LogCaptureFixture) -> None:
    judge = Judge(rule())
    judge.step(Column(["a", "b"], [95, 95]), 0, 0)
    after = Judge(rule())
    after.restore({**judge.saved(), "a": {"phase": "simmering"}})
    assert list(after.states) == ["b"]
    assert "cannot read the stored state of 'a' of rule 'hot'" in caplog.text


def test_changed_flag_is_cleared_by_saving() -> None:
    judge = Judge(rule())
    play(judge, (0, 50))
    assert not judge.is_changed
    play(judge, (0, 95))
    assert judge.is_changed
