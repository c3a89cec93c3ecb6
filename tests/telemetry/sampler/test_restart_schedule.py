"""When the next sampler starts: at once, with back-off after failures, later without a provider."""

from __future__ import annotations

from monitor.telemetry.sampler.restart_schedule import (
    HEALTHY_AFTER_SECONDS,
    LONGEST_BACK_OFF_SECONDS,
    RestartSchedule,
)


def waits(schedule: RestartSchedule, count: int, *, lived_seconds: float = 0.1) -> list[float]:
    """Seconds until the next start after each of `count` failures at the time 100."""
    found = []
    for _ in range(count):
        schedule.after_end(100.0, lived_seconds=lived_seconds, has_failed=True)
        assert schedule.start_at is not None
        found.append(schedule.start_at - 100.0)
    return found


def test_first_failure_costs_no_wait_and_each_further_one_twice_as_long() -> None:
    assert waits(RestartSchedule(), 8) == [0, 1, 2, 4, 8, 16, LONGEST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS]


def test_failures_of_many_hours_wait_no_longer() -> None:
    assert waits(RestartSchedule(), 2000)[-1] == LONGEST_BACK_OFF_SECONDS


def test_long_life_and_new_options_reset_the_back_off() -> None:
    schedule = RestartSchedule()
    waits(schedule, 4)
    assert waits(schedule, 2, lived_seconds=HEALTHY_AFTER_SECONDS) == [0, 0]
    waits(schedule, 4)
    schedule.at_once(200.0)
    assert (schedule.start_at, schedule.is_due(199.9), schedule.is_due(200.0)) == (200.0, False, True)
    assert waits(schedule, 2) == [0, 1]


def test_end_without_a_failure_does_not_count() -> None:
    schedule = RestartSchedule()
    for _ in range(5):
        schedule.after_end(100.0, lived_seconds=1.0, has_failed=False)
        assert schedule.start_at == 100.0


def test_without_a_provider_the_next_look_is_later_and_none_is_due_while_a_sampler_runs() -> None:
    schedule = RestartSchedule(look_again_seconds=30.0)
    schedule.look_again(100.0)
    assert schedule.start_at == 130.0
    schedule.started()
    assert not schedule.is_due(1e9)
