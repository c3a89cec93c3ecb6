"""Every kind of rule over snapshots: what fires, with which summary, and what resolves it."""

from __future__ import annotations

import msgspec
import pytest

from monitor.rules.evaluation import DELETED, EDITED, FORGOTTEN
from monitor.rules.rule import Rule, Which
from monitor.telemetry.gpu_use import IdleLimits, use_of
from monitor.telemetry.schema import System
from tests.rules.evaluation_scene import at, evaluation, rule, told
from tests.support.snapshots import GIB, gpu, process


def test_temperature_is_compared_with_the_limit_of_the_gpu() -> None:
    judged = rule(threshold=0.0, clear_threshold=-3.0, relative_to="slowdown_temperature_celsius")
    seen = evaluation(judged)
    assert seen.take(at(1, gpu(0, temperature_celsius=86), gpu(1, temperature_celsius=None))) == []
    (event,) = seen.take(at(2, gpu(0, temperature_celsius=88), gpu(1, slowdown_temperature_celsius=None)))
    assert event.summary == "GPU 0 reached 88\u2009°C (limit 87\u2009°C)"
    assert (event.value, event.threshold, event.metric) == (88, 87, "gpu.temperature_celsius")
    assert event.detail == "The GPU's slowdown temperature: 87\u2009°C."
    assert seen.take(at(3, gpu(0, temperature_celsius=91))) == []
    (over,) = seen.take(at(4, gpu(0, temperature_celsius=83)))
    assert (over.worst_value, over.resolved_at, over.resolved_because) == (91, 4, "83\u2009°C, back within the limit")
    assert seen.open == {}


@pytest.mark.parametrize("is_edited", [True, False])
def test_worst_value_is_absolute_when_the_alert_ends_without_a_reading(is_edited: bool) -> None:
    """Regression: the worst value was shown as 4 °C, the distance from the limit."""
    seen = evaluation(rule(threshold=0.0, relative_to="slowdown_temperature_celsius"))
    seen.take(at(1, gpu(0, temperature_celsius=88)))
    seen.take(at(2, gpu(0, temperature_celsius=91)))
    (over,) = seen.set_rules(()) if is_edited else seen.take(at(3, gpu(1)))
    assert (over.value, over.worst_value) == (88, 91)


def test_worst_value_is_relative_to_the_limit_at_its_time() -> None:
    seen = evaluation(rule(metric="gpu.power_watts", threshold=0.0, relative_to="power_limit_watts"))
    seen.take(at(1, gpu(power_watts=310, power_limit_watts=300)))
    (over,) = seen.take(at(2, gpu(power_watts=310, power_limit_watts=700)))
    assert (over.threshold, over.worst_value) == (300, 310)


def test_lost_gpu_fires_and_its_last_values_neither_fire_nor_resolve() -> None:
    seen = evaluation(rule(for_seconds=5.0), rule("gpu_lost", id=2))
    assert seen.take(at(0, gpu(3, temperature_celsius=95))) == []
    lost = gpu(3, temperature_celsius=95, state="lost")
    assert told(seen.take(at(3, lost))) == [("fired", "GPU 3 was lost: it fell off the bus or stopped responding")]
    assert seen.take(at(30, lost)) == []
    assert told(seen.take(at(31, gpu(3)))) == [("over", "condition cleared")]


def test_stale_readings_fire_only_the_stale_rule_and_resolve_nothing() -> None:
    seen = evaluation(rule(for_seconds=10.0), rule("stale", id=2, threshold=30.0))
    seen.take(at(0, gpu(temperature_celsius=95)))
    stale = {"sampled_at": 0.0, "stale": True, "stale_reason": "The driver hangs."}
    happened = [each for time in range(1, 41) for each in seen.take(at(time, gpu(temperature_celsius=95), **stale))]
    (event,) = happened
    assert (event.summary, event.detail, event.fired_at) == (
        "dgx gave no fresh reading for 30\u2009s",
        "The driver hangs.",
        30,
    )
    # Without readings the value is unknown: the time since the last reading does not count.
    assert told(seen.take(at(41, gpu(temperature_celsius=95)))) == [("over", "condition cleared")]
    assert seen.take(at(50, gpu(temperature_celsius=95))) == []
    assert len(seen.take(at(51, gpu(temperature_celsius=95)))) == 1


def test_seconds_before_readings_became_stale_count_too() -> None:
    """Regression: with a driver timeout of 5 s the alert fired 5 s late and still said 30 s."""
    seen = evaluation(rule("stale", threshold=30.0))
    seen.take(at(0, gpu()))
    snapshots = [at(time, gpu(), sampled_at=0.0, age_seconds=float(time), stale=time > 5) for time in range(1, 31)]
    assert [event.fired_at for snapshot in snapshots for event in seen.take(snapshot)] == [30]


def test_host_that_never_had_a_gpu_is_not_stale() -> None:
    seen = evaluation(rule("stale", threshold=30.0))
    for time in range(0, 300, 10):
        assert seen.take(at(time, sampled_at=None)) == []


def test_missing_gpus_fire_until_they_are_back() -> None:
    seen = evaluation(rule("gpu_count_fell"))
    assert seen.take(at(0, gpu(0), gpu(1))) == []
    assert told(seen.take(at(1, gpu(0)))) == [("fired", "dgx fell from 2 to 1 GPU")]
    assert told(seen.take(at(2, gpu(0), gpu(1)))) == [("over", "condition cleared")]
    assert told(seen.take(at(3, gpu(0), gpu(1, state="lost")))) == [("fired", "dgx fell from 2 to 1 GPU")]


def test_counter_fires_when_it_rises_and_not_for_its_initial_value() -> None:
    seen = evaluation(rule("rise", metric="gpu.ecc_uncorrected_aggregate"))
    assert seen.take(at(0, gpu(ecc_uncorrected_aggregate=12))) == []
    assert told(seen.take(at(1, gpu(ecc_uncorrected_aggregate=14)))) == [
        ("fired", "GPU 0: ECC uncorrected aggregate rose by 2 to 14")
    ]
    seen.take(at(2, gpu(ecc_uncorrected_aggregate=14)))
    assert seen.take(at(3, gpu(ecc_uncorrected_aggregate=0))) == []  # the counter was reset
    assert len(seen.take(at(4, gpu(ecc_uncorrected_aggregate=1)))) == 1


def test_throttling_fires_with_its_reasons_and_a_power_cap_is_not_thermal() -> None:
    seen = evaluation(rule("throttled", throttle="thermal", for_seconds=10.0))
    hot = gpu(clock_event_reasons=("sw_power_cap", "hw_thermal_slowdown"))
    assert seen.take(at(0, gpu(clock_event_reasons=("sw_power_cap",)))) == []
    assert seen.take(at(1, hot)) == []
    (event,) = seen.take(at(11, hot))
    assert event.summary == "GPU 0 was throttled thermally"
    assert event.detail == "Clock event reasons: hw_thermal_slowdown."


def test_several_users_on_one_gpu_are_named_only_in_the_detail() -> None:
    seen = evaluation(rule("several_users", threshold=2.0))
    assert seen.take(at(0, gpu(processes=(process(1), process(2))))) == []
    (event,) = seen.take(at(1, gpu(processes=(process(1), process(2, user="bo")))))
    assert (event.summary, event.detail) == ("GPU 0 was used by 2 users", "ana, bo")


def test_idle_memory_names_user_and_process_in_the_detail_and_resolves_with_the_process() -> None:
    seen = evaluation(rule("idle_held", held_memory_bytes=4.0 * GIB, idle_percent=5.0, for_seconds=60.0))
    holder = process(7, user="jo", name="jupyter", command="jupyter lab", memory_used_bytes=20 * GIB)
    small = process(8, memory_used_bytes=GIB)
    happened = [
        each
        for time in range(0, 61, 10)
        for each in seen.take(at(time, gpu(utilization_percent=0, processes=(holder, small))))
    ]
    (event,) = happened
    assert event.summary == "GPU 0: PID 7 held 20.0\u2009GiB while the GPU was idle"
    assert event.detail == "jo's jupyter (PID 7). Utilization was at most 5 %."
    assert (event.pid, event.fired_at) == (7, 60)
    assert told(seen.take(at(70, gpu(utilization_percent=0, processes=(small,))))) == [
        ("over", "process exited or freed memory")
    ]


def test_throttling_for_any_reason_is_described_in_words() -> None:
    """Regression: the summary was "held down for reasons"."""
    (event,) = evaluation(rule("throttled", throttle="any")).take(at(0, gpu(clock_event_reasons=("sw_power_cap",))))
    assert event.summary == "GPU 0 was throttled for thermal or power reasons"
    assert event.detail == "Clock event reasons: sw_power_cap."


def test_busy_gpu_is_not_idle_held() -> None:
    seen = evaluation(rule("idle_held", held_memory_bytes=1.0 * GIB, idle_percent=5.0))
    assert seen.take(at(0, gpu(utilization_percent=6, processes=(process(7),)))) == []
    assert seen.take(at(1, gpu(utilization_percent=None, processes=(process(7),)))) == []
    assert len(seen.take(at(2, gpu(utilization_percent=5, processes=(process(7),))))) == 1


def test_rule_and_card_agree_on_idle_held() -> None:
    """Regression: a limit of 0 never fired, and at exactly the limit only the card showed idle."""
    for percent in (0, 5):
        seen = evaluation(rule("idle_held", held_memory_bytes=1.0 * GIB, idle_percent=float(percent)))
        held = gpu(utilization_percent=percent, processes=(process(7, memory_used_bytes=2 * GIB),))
        assert use_of(held, IdleLimits(GIB, float(percent))) == "held"
        assert len(seen.take(at(0, held))) == 1


def test_dead_process_that_holds_memory_fires() -> None:
    seen = evaluation(rule("process_gone", held_memory_bytes=1.0))
    (event,) = seen.take(at(0, gpu(processes=(process(7, status="gone"), process(8)))))
    assert event.summary == "GPU 0: PID 7 exited and still held 1.0\u2009GiB"


def test_dead_process_keeps_its_identity_after_its_parent_reaps_it() -> None:
    """Regression: a zombie's start time is known only until it is reaped, so the alert resolved and fired again."""
    seen = evaluation(rule("process_gone", held_memory_bytes=1.0))
    assert len(seen.take(at(0, gpu(processes=(process(7, status="gone", started_at=5.0),))))) == 1
    assert seen.take(at(1, gpu(processes=(process(7, status="gone", started_at=None),)))) == []


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("system.memory_used_percent", 96.0, "dgx: memory used reached 96\u2009% (limit 90\u2009%)"),
        ("health.gpu_count", None, "dgx: GPU count reached 1 (limit 1)"),
        ("process.cpu_percent", 120.0, "PID 5 on GPU 0: CPU reached 120\u2009% (limit 90\u2009%)"),
    ],
)
def test_metrics_of_host_readings_and_processes_are_compared_too(metric: str, value: float | None, words: str) -> None:
    threshold = 1.0 if value is None else 90.0
    seen = evaluation(rule(metric=metric, threshold=threshold))
    system = System(memory_used_percent=value if metric.startswith("system") else None)
    assert told(seen.take(at(0, gpu(processes=(process(5),)), system=system))) == [("fired", words)]


@pytest.mark.parametrize(
    ("which", "indexes"),
    [
        (Which(), [0, 1, 2]),
        (Which(uuids=frozenset({"GPU-1"})), [1]),
        (Which(indexes=frozenset({0, 2})), [0, 2]),
        (Which(name_pattern="*a100*"), [2]),
        (Which(mig="only"), [1]),
        (Which(mig="without"), [0, 2]),
        (Which(hosts="dgx*"), [0, 1, 2]),
        (Which(hosts="other"), []),
        (Which(indexes=frozenset({0, 1}), mig="only"), [1]),
    ],
)
def test_rule_applies_to_gpus_that_match_all_its_selectors(which: Which, indexes: list[int]) -> None:
    hot = {"temperature_celsius": 95}
    gpus = (gpu(0, **hot), gpu(1, mig_mode=True, **hot), gpu(2, name="NVIDIA A100-SXM4-80GB", **hot))
    found = evaluation(rule(which=which)).take(at(0, *gpus))
    assert [each.gpu_index for each in found] == indexes


def test_alert_resolves_when_its_gpu_leaves_the_host() -> None:
    seen = evaluation(rule())
    seen.take(at(0, gpu(0, temperature_celsius=95)))
    assert told(seen.take(at(1, gpu(1)))) == [("over", "this GPU is no longer on the host")]


def test_gpu_that_no_longer_matches_a_rule_is_not_reported_as_gone() -> None:
    seen = evaluation(rule(which=Which(mig="without")))
    seen.take(at(0, gpu(0, temperature_celsius=95)))
    assert told(seen.take(at(1, gpu(0, temperature_celsius=95, mig_mode=True)))) == [
        ("over", "the rule no longer applies to this GPU")
    ]


@pytest.mark.parametrize(("rules", "because"), [((), DELETED), ((rule(threshold=80.0),), EDITED)])
def test_editing_or_deleting_a_rule_resolves_its_alerts_with_the_reason(rules: tuple[Rule, ...], because: str) -> None:
    seen = evaluation(rule())
    seen.take(at(5, gpu(temperature_celsius=95)))
    assert told(seen.set_rules(rules)) == [("over", because)]
    assert seen.open == {}
    assert seen.set_rules(rules) == []


def test_unchanged_rules_keep_their_open_alerts() -> None:
    seen = evaluation(rule())
    seen.take(at(0, gpu(temperature_celsius=95)))
    assert seen.set_rules((rule(), rule("gpu_lost", id=2))) == []
    assert len(seen.open) == 1


def test_clock_jump_fires_nothing_early_and_leaves_nothing_stuck() -> None:
    seen = evaluation(rule(for_seconds=100.0))
    seen.take(at(1000, gpu(temperature_celsius=95)))
    assert seen.take(at(1_000_000, gpu(temperature_celsius=95))) == []  # counts as 60 s at most
    assert seen.take(at(500, gpu(temperature_celsius=95))) == []  # set back: counts as none
    assert seen.take(at(539, gpu(temperature_celsius=95))) == []
    assert len(seen.take(at(540, gpu(temperature_celsius=95)))) == 1


def test_snapshot_without_a_new_reading_does_not_count() -> None:
    seen = evaluation(rule(for_seconds=10.0))
    seen.take(at(0, gpu(temperature_celsius=95)))
    for time in range(1, 20):
        assert seen.take(at(time, gpu(temperature_celsius=95), sampled_at=0.0)) == []


def test_time_of_the_readings_counts_at_any_speed_of_arrival() -> None:
    def events(pace: float) -> list[tuple[str, float | None, float | None]]:
        seen = evaluation(rule(for_seconds=10.0), rule("gpu_lost", id=2))
        found = []
        for second in range(60):
            hot = 95 if 10 <= second < 40 else 60
            state = "lost" if 45 <= second < 50 else "ok"
            snapshot = at(float(second), gpu(temperature_celsius=hot, state=state))
            found += seen.take(msgspec.structs.replace(snapshot, time=1e6 + second / pace))
        return [(each.summary, each.fired_at, each.resolved_at) for each in found]

    assert events(1) == events(50)
    assert len(events(1)) == 4


def test_restart_keeps_open_alerts_and_resolves_alerts_without_a_rule() -> None:
    before = evaluation(rule(clear_for_seconds=20.0), rule("gpu_lost", id=2))
    before.take(at(0, gpu(0, temperature_celsius=95), gpu(1, state="lost")))
    saved = {id_: judge.saved() for id_, judge in before.judges.items()}
    after = evaluation(rule(clear_for_seconds=20.0))
    assert told(after.restore(before.open.values(), saved, at=50)) == [("over", DELETED)]
    assert [each.summary for each in after.open.values()] == ["GPU 0 reached 95\u2009°C (limit 90\u2009°C)"]
    assert after.take(at(60, gpu(0, temperature_celsius=95), gpu(1))) == []
    after.take(at(61, gpu(0), gpu(1)))
    assert len(after.take(at(81, gpu(0), gpu(1)))) == 1


def test_restart_resolves_an_event_without_state_and_fires_a_state_without_event_again() -> None:
    before = evaluation(rule())
    before.take(at(0, gpu(temperature_celsius=95)))
    lost_state = evaluation(rule())
    assert told(lost_state.restore(before.open.values(), {}, at=9)) == [("over", FORGOTTEN)]
    lost_event = evaluation(rule())
    assert lost_event.restore((), {1: before.judges[1].saved()}, at=9) == []
    assert len(lost_event.take(at(10, gpu(temperature_celsius=95)))) == 1


def test_edit_between_a_restart_and_the_first_reading_resolves_alerts_now_and_not_in_1970() -> None:
    before = evaluation(rule())
    before.take(at(1000, gpu(temperature_celsius=95)))
    after = evaluation(rule())
    after.restore(before.open.values(), {1: before.judges[1].saved()}, at=1500)
    assert [event.resolved_at for event in after.set_rules(())] == [1500]
