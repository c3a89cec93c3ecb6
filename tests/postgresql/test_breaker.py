"""While a server hangs, one attempt at a time finds out when it answers again."""

from __future__ import annotations

from monitor.postgresql.breaker import ATTEMPT_SECONDS, PAUSE_SECONDS, Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_attempt_at_a_time_until_the_server_answers() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    assert [breaker.may_try() for _ in range(3)] == [True, True, True]
    breaker.hangs()
    assert not breaker.may_try()
    clock.now += PAUSE_SECONDS
    assert [breaker.may_try() for _ in range(3)] == [True, False, False]
    breaker.hangs()
    clock.now += PAUSE_SECONDS
    assert breaker.may_try()
    breaker.answers()
    assert [breaker.may_try() for _ in range(2)] == [True, True]


def test_attempt_that_never_reports_does_not_close_the_way_for_ever() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.hangs()
    clock.now += PAUSE_SECONDS
    assert breaker.may_try()
    clock.now += ATTEMPT_SECONDS
    assert breaker.may_try()
