"""What is said of an alert is true while it fires, while it clears, and after it resolved; lengths survive jumps of the clock."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.rules.evaluation import Event
from monitor.rules.rule import Rule
from monitor.rules.sentences import current_value, happening, lasted, lasted_seconds
from monitor.telemetry.schema import Gpu, Snapshot
from tests.rules.evaluation_scene import at, evaluation, rule
from tests.support.snapshots import alert, gpu, host, process

THIN = "\u2009"


def story(judged: Rule, bad: Gpu, good: Gpu, *, worse: Gpu | None = None) -> tuple[Event, Event]:
    """The event when it fired at 1 s, and when it had resolved at 64 s."""
    seen = evaluation(judged)
    fired: list[Event] = []
    for time, board in ((0, good), (1, bad), (4, worse or bad), (64, good)):
        fired += seen.take(at(time, board))
    first, last = fired
    return first, last


@pytest.mark.parametrize(
    ("judged", "bad", "worse", "fired", "over"),
    [
        (
            rule(), {"temperature_celsius": 91}, {"temperature_celsius": 93},
            "GPU 0 reached 91 °C (limit 90 °C)", "GPU 0 reached 93 °C (limit 90 °C) for 1 min 3 s",
        ),
        (
            rule(comparator="<", metric="gpu.utilization_percent", threshold=5.0),
            {"utilization_percent": 4}, {"utilization_percent": 2},
            "GPU 0: utilization fell to 4 % (limit 5 %)", "GPU 0: utilization fell to 2 % (limit 5 %) for 1 min 3 s",
        ),
        (
            rule("gpu_lost"), {"state": "lost"}, {"state": "lost"},
            "GPU 0 was lost: it fell off the bus or stopped responding",
            "GPU 0 was lost: it fell off the bus or stopped responding for 1 min 3 s",
        ),
        (
            rule("throttled", throttle="thermal"),
            {"clock_event_reasons": ("hw_thermal_slowdown",)}, {"clock_event_reasons": ("hw_thermal_slowdown",)},
            "GPU 0 was throttled thermally", "GPU 0 was throttled thermally for 1 min 3 s",
        ),
        (
            rule("several_users", threshold=2.0),
            {"processes": (process(1, user="a"), process(2, user="b"))},
            {"processes": (process(1, user="a"), process(2, user="b"), process(3, user="c"))},
            "GPU 0 was used by 2 users", "GPU 0 was used by 3 users for 1 min 3 s",
        ),
    ],
)  # fmt: skip
def test_summary_is_in_the_past_tense_and_ends_with_the_worst_value_and_the_length(
    judged: Rule, bad: dict[str, object], worse: dict[str, object], fired: str, over: str
) -> None:
    calm = gpu(0, temperature_celsius=60, utilization_percent=50, clock_event_reasons=(), processes=())
    first, last = story(judged, gpu(0, **bad), calm, worse=gpu(0, **worse))
    assert first.summary.replace(THIN, " ") == fired
    assert last.summary.replace(THIN, " ") == over


@pytest.mark.parametrize(
    ("changes", "snapshot", "words"),
    [
        ({}, host(gpu(5, temperature_celsius=91)), "now 91 °C, for 1 min 10 s"),
        ({"is_clearing": True}, host(gpu(5, temperature_celsius=67)), "now 67 °C, clearing"),
        ({}, host(gpu(5, temperature_celsius=None)), "for 1 min 10 s"),
        ({}, host(gpu(5, state="lost", temperature_celsius=91)), "for 1 min 10 s"),
        ({}, host(gpu(5, temperature_celsius=91), stale=True), "for 1 min 10 s"),
        ({}, host(gpu(4, temperature_celsius=91)), "for 1 min 10 s"),
        ({"metric": None}, host(gpu(5)), "for 1 min 10 s"),
        ({"metric": "gpu.of_another_version"}, host(gpu(5)), "for 1 min 10 s"),
        ({"metric": None, "is_clearing": True}, host(gpu(5)), "clearing"),
        ({"metric": "health.lost_gpu_count"}, host(gpu(5)), "now 0, for 1 min 10 s"),
        ({"metric": "system.cpu_percent"}, host(gpu(5)), "for 1 min 10 s"),
    ],
)
def test_open_alert_says_what_is_the_case_now(changes: dict[str, object], snapshot: Snapshot, words: str) -> None:
    assert happening(alert(**changes), snapshot).replace(THIN, " ") == words


def test_alert_of_a_host_that_has_gone_silent_lasts_on() -> None:
    """A host down fires after the host's last snapshot: for how long, was not said."""
    down = alert(metric=None, gpu_uuid=None, gpu_index=None)
    last = host(stale=True, time=down.fired_at - 60, sampled_at=down.fired_at - 61, age_seconds=61 + 72.0)
    assert happening(down, last).replace(THIN, " ") == "for 1 min 12 s"


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_silence_of_a_host_is_not_counted_by_its_clock(hours: int) -> None:
    """The alert is timed by the hub's clock. With that of the host an hour ahead, it had lasted an hour longer."""
    down = alert(metric=None, gpu_uuid=None, gpu_index=None, host_id="ab", timed_by="hub")
    there = down.fired_at - 12 + hours * 3600
    last = host(host_id="ab", stale=True, time=there, sampled_at=there, age_seconds=72.0)
    assert happening(down, last).replace(THIN, " ") == "no reading for 1 min 12 s"
    assert happening(down, msgspec.structs.replace(last, age_seconds=None)) == "no reading"
    hub = host(host_id="ef", time=down.fired_at + 60)
    assert happening(down, hub).replace(THIN, " ") == "for 1 min 0 s"


def test_value_of_a_process_is_that_of_the_process_now() -> None:
    of = alert(metric="process.cpu_percent", pid=7)
    assert current_value(of, host(gpu(5, processes=(process(6, cpu_percent=1.0), process(7, cpu_percent=9.0))))) == 9.0
    assert current_value(of, host(gpu(5, processes=None))) is None


@pytest.mark.parametrize(
    ("times", "now", "words"),
    [
        ({"fired_at": 100.0}, 172.0, "1 min 12 s"),
        ({"fired_at": 100.0}, 99.0, "0 s"),
        ({"fired_at": 100.0}, 40.0, "—"),
        ({"fired_at": 100.0}, None, "—"),
        ({"fired_at": 100.0, "resolved_at": 132.0}, None, "32 s"),
        ({"fired_at": 100.0, "resolved_at": 132.0}, 9e9, "32 s"),
        ({"fired_at": 100.0, "resolved_at": 1.8e9}, None, "—"),
        ({"fired_at": 100.0}, 1.8e9, "—"),
    ],
)
def test_length_counts_from_firing_and_is_not_told_over_a_jump(
    times: dict[str, float], now: float | None, words: str
) -> None:
    assert lasted(alert(**times), now).replace(THIN, " ") == words


@settings(max_examples=60)
@given(st.floats(-1e9, 1e9), st.floats(0, 1e6), st.floats(0, 1e6))
def test_length_does_not_depend_on_how_the_clock_was_set_meanwhile(jump: float, before: float, after: float) -> None:
    start = 2e9
    seen = evaluation(rule())
    (event,) = seen.take(at(start, gpu(0, temperature_celsius=95)))
    (moved,) = seen.shift(jump)
    assert lasted_seconds(moved, event.fired_at + jump + before + after) == pytest.approx(before + after, abs=1e-3)


def test_jump_of_the_clock_counts_as_two_intervals_at_most() -> None:
    """With `for` of a minute or less, a rule fired at once when the clock jumped forward."""
    seen = evaluation(rule(for_seconds=30.0))
    hot = gpu(0, temperature_celsius=95)
    for second in range(10):
        assert seen.take(at(second, hot)) == []
    assert seen.take(at(3609, hot)) == []
    assert [len(seen.take(at(3609 + second, hot))) for second in range(1, 21)].index(1) + 1 == 19


def test_new_interval_counts_in_full_after_one_reading() -> None:
    seen = evaluation(rule(for_seconds=100.0))
    hot = gpu(0, temperature_celsius=95)
    for second in range(10):
        seen.take(at(second, hot))
    fired = [len(seen.take(at(9 + 30 * number, hot))) for number in range(1, 6)]
    assert fired == [0, 0, 0, 1, 0]
