"""A rule tested on past readings: what would have fired, and its chart."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.rules import validation
from monitor.rules.evaluation import Evaluation
from monitor.rules.kinds.registry import KINDS
from monitor.rules.rule import Rule
from monitor.rules.trial import Tried, try_rule
from monitor.rules.trial_chart import Chart, chart_of
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.schema import Gpu, Snapshot, Xid
from tests.support.snapshots import gpu, host, process

HOT = {"metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90}


def rule(**given: Any) -> Rule:
    given = {"name": "x", "kind": "threshold", **(given or HOT)}
    return validation.make(given, IdleLimits(minutes=0.05))


def seconds(readings: Sequence[Sequence[Gpu]], *, step: float = 1.0) -> list[Snapshot]:
    return [host(*gpus, time=1000 + step * each, sampled_at=1000 + step * each) for each, gpus in enumerate(readings)]


def heat(*temperatures: float | None) -> list[Snapshot]:
    """The first GPU's temperatures; the second stays at 50 °C."""
    return seconds(
        [(gpu(0, temperature_celsius=each), gpu(1, temperature_celsius=50.0)) for each in temperatures]
    )  # fmt: skip


def chart(tried: Tried) -> Chart:
    found = chart_of(tried)
    assert found is not None
    return found


def holds_all(found: Chart) -> bool:
    """Whether the scale covers every value and line, and each series has a value or a gap at each time."""
    levels = [found.threshold.value, *([found.clear.value] if found.clear else [])]
    known = [value for line in found.series for value in line.values if value is not None]
    assert known
    assert (
        {len(line.values) for line in found.series} == {len(line.texts) for line in found.series} == {len(found.times)}
    )
    return all(found.low.value <= value <= found.high.value for value in (*known, *levels))


def test_trial_counts_alerts_and_their_duration() -> None:
    tried = try_rule(rule(), heat(80, 91, 92, 80, 80, 95, 96, 97))
    assert [(event.fired_at, event.resolved_at) for event in tried.events] == [(1001, 1003), (1005, None)]
    assert [event.value for event in tried.firing] == [95]
    assert tried.firing_seconds == 2 + 2
    assert (tried.readings, tried.began_at, tried.ended_at) == (8, 1000, 1007)


@given(st.lists(st.none() | st.floats(80, 100), max_size=40), st.floats(0, 5))
def test_trial_fires_as_the_engine_would(temperatures: list[float | None], held: float) -> None:
    by = rule(**HOT, for_seconds=held)
    evaluation = Evaluation()
    evaluation.set_rules([by])
    events = [event for snapshot in heat(*temperatures) for event in evaluation.take(snapshot)]
    tried = try_rule(by, heat(*temperatures))
    assert [event.fired_at for event in tried.events] == [event.fired_at for event in events if not event.resolved_at]
    assert len(tried.firing) == len(evaluation.open)


def test_chart_has_the_worst_gpu_first_and_the_threshold() -> None:
    found = chart(try_rule(rule(), heat(80, 90, 100)))
    assert found.times == (1000, 1001, 1002)
    assert [(line.label, line.values) for line in found.series] == [("GPU 0", (80, 90, 100)), ("GPU 1", (50, 50, 50))]
    assert found.series[0].texts[1] == "90\u2009°C"
    assert (found.threshold.value, found.threshold.label, found.clear) == (90, "≥ 90\u2009°C", None)
    assert found.firing == ((1001, 1002),)


def test_limit_of_the_gpu_is_drawn_as_a_value() -> None:
    relative = rule(**{**HOT, "threshold": 0}, relative_to="slowdown_temperature_celsius", clear_threshold=-3)
    found = chart(try_rule(relative, heat(80, 90)))
    assert found.threshold.label == "≥ 87\u2009°C (slowdown temperature)"
    assert found.clear is not None
    assert found.clear.label == "resolves at 84\u2009°C"
    assert found.title == "temperature"


def test_overlapping_alerts_are_shaded_once() -> None:
    """Regression: overlapping shades became opaque and hid the lines."""
    both = [gpu(each, temperature_celsius=95.0) for each in (0, 1)]
    cool = [gpu(each, temperature_celsius=50.0) for each in (0, 1)]
    tried = try_rule(rule(), seconds([both, [both[0], cool[1]], cool, [cool[0], both[1]], both]))
    assert len(tried.events) == 4
    assert chart(tried).firing == ((1000, 1002), (1003, 1004))


def test_clear_threshold_is_drawn_if_it_differs() -> None:
    percent = {"metric": "gpu.utilization_percent", "comparator": ">=", "threshold": 100}
    readings = seconds([[gpu(0, utilization_percent=50.0)]] * 3)
    found = chart(try_rule(rule(**percent, clear_threshold=99), readings))
    assert found.clear is not None
    assert (found.clear.value, found.low.value, found.high.value) == (99, 0, 100)
    assert chart(try_rule(rule(**percent), readings)).clear is None


def test_offset_is_drawn_where_limits_differ() -> None:
    relative = rule(**{**HOT, "threshold": 0}, relative_to="slowdown_temperature_celsius")
    boards = (gpu(0, temperature_celsius=88.0), gpu(1, temperature_celsius=88.0, slowdown_temperature_celsius=95.0))
    found = chart(try_rule(relative, seconds([boards, boards])))
    assert found.threshold.label == "≥ slowdown temperature"
    assert found.title == "temperature above slowdown temperature"


def test_unknown_value_is_a_gap_in_the_line() -> None:
    line = chart(try_rule(rule(), heat(80, 81, None, 82, 83))).series[0]
    assert line.values == (80, 81, None, 82, 83)
    assert line.texts[2] == "—"


def test_distant_readings_leave_a_gap_in_the_line() -> None:
    boards = (gpu(0, temperature_celsius=70.0),)
    apart = chart(try_rule(rule(), seconds([boards] * 3, step=61)))
    assert apart.series[0].values == (70, None, 70, None, 70)
    assert list(apart.times) == sorted(apart.times)
    assert chart(try_rule(rule(), seconds([boards] * 3, step=60))).series[0].values == (70, 70, 70)


def test_chart_keeps_every_peak() -> None:
    temperatures: list[float] = [50.0] * 900
    temperatures[450] = 99.0
    assert max(value or 0 for value in chart(try_rule(rule(), heat(*temperatures))).series[0].values) == 99


def test_chart_needs_a_known_value() -> None:
    tried = try_rule(rule(), seconds([(gpu(0, temperature_celsius=None),)] * 2))
    assert (tried.has_values, chart_of(tried)) == (False, None)
    assert chart_of(try_rule(rule(), [])) is None


OF_KINDS: dict[str, dict[str, Any]] = {
    "threshold": HOT,
    "stale": {"threshold": 5},
    "xid": {},
    "rise": {"metric": "gpu.ecc_uncorrected_volatile", "threshold": 1},
    "throttled": {"throttle": "thermal"},
    "several_users": {"threshold": 2},
}


def moment(number: int) -> Snapshot:
    """Every condition that rules detect, on and off."""
    is_bad = number % 20 > 10
    at = 1000.0 + number
    first = gpu(
        0,
        state="lost" if is_bad else "ok",
        ecc_uncorrected_volatile=number // 10,
        xids=(Xid(code=79, count=1, last_at=1010.0),) if number > 10 else (),
    )
    second = gpu(
        1,
        temperature_celsius=95.0 if is_bad else 60.0,
        ecc_uncorrected_volatile=number // 10,
        xids=(Xid(code=79, count=1, last_at=1010.0),) if number > 10 else (),
        clock_event_reasons=("hw_thermal_slowdown",) if is_bad else (),
        utilization_percent=0.0 if is_bad else 90.0,
        processes=(
            process(7, memory_used_bytes=4 << 30, status="gone" if is_bad else "running"),
            *([process(8, user="eva")] if is_bad else []),
        ),
    )
    is_stale = is_bad and number > 40
    there = [first, second] if number % 20 < 16 else [second]
    return host(*there, time=at, sampled_at=at - 8 if is_stale else at, stale=is_stale)


@pytest.mark.parametrize("kind", sorted(name for name, kind in KINDS.items() if not kind.why_not_previewed))
def test_each_kind_fires_and_its_chart_shows_every_value(kind: str) -> None:
    tried = try_rule(rule(kind=kind, **OF_KINDS.get(kind, {})), map(moment, range(80)))
    assert tried.events
    found = chart(tried)
    assert 1 <= len(found.series) <= 3
    assert holds_all(found)
    assert not re.search("nan|inf|. yes", repr(found))


@given(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=1, max_size=30), st.floats(-1e9, 1e9), st.booleans())
def test_all_values_are_within_the_scale(temperatures: list[float | None], threshold: float, is_upward: bool) -> None:
    by = rule(**{**HOT, "threshold": threshold, "comparator": ">" if is_upward else "<"})
    tried = try_rule(by, [host(gpu(0, temperature_celsius=each), time=float(at), sampled_at=float(at))
                          for at, each in zip(itertools.count(), temperatures)])  # fmt: skip
    found = chart_of(tried)
    if found is None:
        assert all(each is None or math.isnan(each) for each in temperatures)
        return
    assert holds_all(found)
