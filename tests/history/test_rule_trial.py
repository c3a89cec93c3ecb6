"""A rule tested on the stored history fires as it would have on the readings themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from monitor.history import gaps, store
from monitor.history.buckets import Buckets, Column
from monitor.history.chunk_codec import pack
from monitor.history.metrics import GPU_METRICS
from monitor.history.rollup import roll_up
from monitor.history.tiers import MINUTES, QUARTERS, SECONDS, Tier
from monitor.history.trial import rule_trial
from monitor.history.trial.rule_trial import CannotTry, TriedOnHistory, try_on_history
from monitor.history.trial.tried_host import TriedHost
from monitor.models import HistoryChunk, HistoryGap, HistorySource
from monitor.rules import validation
from monitor.rules.kinds.registry import KINDS
from monitor.rules.rule import Rule
from monitor.rules.trial import try_rule
from monitor.rules.trial_chart import chart_of
from monitor.telemetry.gpu_use import IdleLimits
from tests.support.snapshots import gpu, host

pytestmark = pytest.mark.django_db(databases="__all__")

START = 1_800_000_000 - 1_800_000_000 % 86_400
"""Midnight, where a chunk of every tier begins."""
HOT = {"metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90.0}


def rule(**given: Any) -> Rule:
    return validation.make({"name": "x", "kind": "threshold", **(given or HOT)}, IdleLimits())


def source(index: int = 0, *, seconds: int, **limits: float) -> HistorySource:
    key, kind, name = (store.HOST, "host", "dgx") if index < 0 else (f"GPU-{index}", "gpu", "NVIDIA H100")
    return HistorySource.objects.create(
        key=key, kind=kind, index=None if index < 0 else index, name=name, first_at=START, last_at=START + seconds,
        limits={"slowdown_temperature_celsius": 87.0, **limits},
    )  # fmt: skip


def buckets(values: Sequence[float | None], metric: str) -> Buckets:
    """A value a second; None: no reading then."""
    places = [place for place, value in enumerate(values) if value is not None]
    known: list[float | None] = [values[place] for place in places]
    covered = [1.0] * len(places)
    return Buckets([START + place for place in places], covered, {metric: Column(known, known, known, covered)})


def keep(values: Sequence[float | None], index: int = 0, metric: str = "temperature_celsius", **limits: float) -> None:
    row = source(index, seconds=len(values), **limits)
    store.write([store.Written(row, [buckets(values, metric)], is_changed=True)], [])


def store_tier(row: HistorySource, tier: Tier, found: Buckets, moved: int = 0) -> None:
    """As the recorder leaves them once the finer tier is pruned; `moved` by seconds."""
    starts = [start + moved for start in found.starts]
    HistoryChunk.objects.create(
        source=row,
        tier=tier.number,
        start=starts[0],
        end=starts[-1] + tier.bucket_seconds,
        data=pack(found._replace(starts=starts), GPU_METRICS),
    )


def tried(of: Rule, seconds: float, start: float = 0.0) -> TriedOnHistory:
    return try_on_history(of, START + start, START + seconds, host=TriedHost("", "dgx"))


def fired(found: TriedOnHistory) -> list[tuple[float, float | None]]:
    return [
        (event.fired_at - START, None if event.resolved_at is None else event.resolved_at - START)
        for event in found.tried.events
    ]


def spiky(seconds: int) -> list[float]:
    """60 °C with spans of 95 °C of 1, 5 and 30 s, some over the edge of a chunk."""
    hot = [(100, 1), (598, 5), (1795, 30), (2400, 5), (3000, 1), (4190, 30)]
    return [95.0 if any(at <= place < at + length for at, length in hot) else 60.0 for place in range(seconds)]


@pytest.mark.parametrize("for_seconds", [0, 3, 20])
@pytest.mark.slow
def test_alerts_are_those_of_the_readings_themselves(for_seconds: int) -> None:
    columns = spiky(7200), [*spiky(2700)[::-1], *spiky(4500)], [60.0] * 7200
    for index, values in enumerate(columns):
        keep(values, index)
    of = rule(**HOT, for_seconds=for_seconds, clear_for_seconds=2)
    readings = (
        host(*[gpu(index, temperature_celsius=each) for index, each in enumerate(row)], time=START + at, sampled_at=START + at)
        for at, row in enumerate(zip(*columns, strict=True))
    )  # fmt: skip
    plain = try_rule(of, readings)
    found = tried(of, 7200)
    assert found.tier is SECONDS
    assert [(event.summary, event.fired_at, event.resolved_at) for event in found.tried.events] == [
        (event.summary, event.fired_at, event.resolved_at) for event in plain.events
    ]
    assert len(plain.events) > 3
    assert found.tried.readings < 7200  # of quiet stretches, not every reading was evaluated


def test_limit_of_the_gpu_and_its_choice_are_those_of_the_source() -> None:
    keep([86.0, 88.0, 88.0, 86.0], 0)
    keep([88.0, 88.0, 88.0, 88.0], 1, slowdown_temperature_celsius=95.0)
    above = {**HOT, "threshold": 0.0, "relative_to": "slowdown_temperature_celsius"}
    assert fired(tried(rule(**above), 4)) == [(1, 3)]
    assert fired(tried(rule(**above, gpu_indexes="1"), 4)) == []
    assert fired(tried(rule(**{**HOT, "threshold": 88.0}, gpu_indexes="1"), 4)) == [(0, None)]


def test_rule_about_the_host_is_tested_on_its_readings() -> None:
    keep([20.0, 99.0, 20.0], -1, "cpu_percent")
    keep([60.0] * 3)
    assert fired(tried(rule(metric="system.cpu_percent", comparator=">", threshold=90.0), 3)) == [(1, 2)]


def test_throttling_is_known_by_its_share_of_time() -> None:
    keep([0.0, 100.0, 0.0], metric="throttled_thermal_percent")
    assert fired(tried(rule(kind="throttled", throttle="thermal"), 3)) == [(1, 2)]
    assert fired(tried(rule(kind="throttled", throttle="any"), 3)) == [(1, 2)]
    assert fired(tried(rule(kind="throttled", throttle="power"), 3)) == []


def test_lost_gpu_is_known_by_its_gap() -> None:
    values: list[float | None] = [60.0] * 700 + [None] * 100 + [60.0] * 100
    keep(values)
    row = HistorySource.objects.get()
    HistoryGap.objects.create(source=row, start=START + 700, end=START + 800, reason=gaps.LOST)
    HistoryGap.objects.create(source=row, start=START + 10, end=START + 20, reason=gaps.ASLEEP)
    assert fired(tried(rule(kind="gpu_lost"), 900)) == [(700, 800)]


def test_time_without_readings_neither_fires_nor_clears() -> None:
    keep([95.0] * 5 + [None] * 300 + [95.0] * 20)
    assert fired(tried(rule(**HOT, for_seconds=10), 400))[0][0] > 305


def test_only_the_span_is_evaluated() -> None:
    keep(spiky(5400))
    assert fired(tried(rule(**HOT, for_seconds=0), 700, start=90)) == [(100, 101), (598, 603)]


@pytest.mark.parametrize(("for_seconds", "pick", "times"), [(0, "high", [(60, 120)]), (120, "mean", [])])
def test_older_span_is_tested_on_minutes(for_seconds: int, pick: str, times: list[tuple[float, float]]) -> None:
    row = source(seconds=360)
    readings = buckets([60.0] * 70 + [95.0] * 10 + [60.0] * 280, "temperature_celsius")
    store_tier(row, MINUTES, roll_up(readings, 60))
    found = tried(rule(**HOT, for_seconds=for_seconds), 360)
    assert (found.tier, found.pick, fired(found)) == (MINUTES, pick, times)


def test_kinds_without_their_readings_say_why() -> None:
    keep([60.0])
    lacking = {
        "xid": {}, "stale": {"threshold": 5}, "idle_held": {}, "process_gone": {}, "several_users": {"threshold": 2},
        "gpu_count_fell": {}, "rise": {"metric": "gpu.pcie_replays", "threshold": 1},
    }  # fmt: skip
    assert set(KINDS) - set(lacking) == {
        "threshold",
        "throttled",
        "gpu_lost",
        "host_down",
    }  # the last is about no readings
    for kind, given in lacking.items():
        with pytest.raises(
            CannotTry, match=r"cannot be tested on stored history: the history (stores no|does not store)"
        ):
            tried(rule(kind=kind, **given), 1)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("gpu.pcie_replays", "does not store PCIe replays"),
        ("gpu.energy_joules", "does not store energy"),
        ("process.memory_used_bytes", "neither processes nor how old readings were"),
        ("health.age_seconds", "neither processes nor how old readings were"),
    ],
)
def test_metrics_that_are_not_stored_are_named(metric: str, said: str) -> None:
    keep([60.0])
    with pytest.raises(CannotTry, match=said):
        tried(rule(metric=metric, comparator=">", threshold=1.0), 1)


def test_empty_history_and_quarter_hours_are_refused() -> None:
    with pytest.raises(CannotTry, match="Nothing is stored yet"):
        tried(rule(), 1)
    keep([60.0] * 10)
    assert tried(rule(), -500, start=-1000).tried.readings == 0
    store_tier(
        HistorySource.objects.get(), QUARTERS, roll_up(buckets([60.0] * 5400, "temperature_celsius"), 900), -9000
    )
    with pytest.raises(CannotTry, match="too coarse"):
        tried(rule(), -500, start=-8000)


def test_chart_of_a_long_span_keeps_the_worst_of_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_trial, "_TRACKED", 100)
    keep(spiky(5400), 0)
    keep([60.0] * 5400, 1)
    found = tried(rule(), 5400).tried
    hot, cool = found.tracks.values()
    assert len(hot.times) <= 103
    assert hot.times == cool.times
    assert (max(hot.values), max(cool.values)) == (95, 60)
    chart = chart_of(found)
    assert chart is not None
    assert all(value is not None for line in chart.series for value in line.values)
