"""Buckets that refill, one a client, at times of the test's own choosing."""

from __future__ import annotations

import pytest

from monitor.access.login_throttle import PER_ADDRESS, PER_NAME, Attempts
from monitor.access.rate_limiter import MOST_CLIENTS, Rate, client_of


class Clock:
    """A time that goes on when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_so_many_may_come_at_once_and_then_one_by_one(clock: Clock) -> None:
    rate = Rate(per_minute=60, at_once=3, clock=clock)
    assert [rate.take("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    clock.now += 1
    assert [rate.take("a"), rate.take("a")] == [0, 1]
    assert rate.take("b") == 0


def test_a_bucket_holds_no_more_after_a_long_rest(clock: Clock) -> None:
    rate = Rate(per_minute=60, at_once=2, clock=clock)
    rate.take("a")
    clock.now += 86_400
    assert [rate.take("a") for _ in range(3)] == [0, 0, 1]


def test_only_so_many_clients_are_kept(clock: Clock) -> None:
    rate = Rate(per_minute=1, at_once=1, clock=clock)
    for number in range(MOST_CLIENTS + 50):
        rate.take(str(number))
    assert len(rate._buckets) == MOST_CLIENTS


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one_client(address: str, client: str) -> None:
    assert client_of(address) == client


def attempts(clock: Clock) -> Attempts:
    return Attempts(
        Rate(per_minute=1 / 3, at_once=PER_NAME, clock=clock), Rate(per_minute=1, at_once=PER_ADDRESS, clock=clock)
    )


def test_after_five_wrong_passwords_that_name_waits_and_another_does_not(clock: Clock) -> None:
    tries = attempts(clock)
    assert [tries.begin("mira", "10.0.0.7") for _ in range(PER_NAME)] == [0] * PER_NAME
    assert tries.begin(" MIRA", "10.0.0.7") == 180
    assert tries.begin("ana", "10.0.0.7") == 0
    assert tries.begin("mira", "10.0.0.8") == 0
    clock.now += 180
    assert tries.begin("mira", "10.0.0.7") == 0


@pytest.mark.parametrize("spelled", ["ｍira", "MIRA", "mir\N{MATHEMATICAL BOLD SMALL A}", "\u3000mira\n"])
def test_a_name_in_other_characters_is_the_same_name(clock: Clock, spelled: str) -> None:
    """Django's form tries them all against the same account, so each spelling had five passwords to guess."""
    tries = attempts(clock)
    for _ in range(PER_NAME):
        tries.begin("mira", "10.0.0.7")
    assert tries.begin(spelled, "10.0.0.7") == 180


def test_the_right_password_gives_all_tries_back(clock: Clock) -> None:
    tries = attempts(clock)
    for _ in range(30):
        for _ in range(PER_NAME - 1):
            tries.begin("mira", "10.0.0.7")
        assert tries.begin("mira", "10.0.0.7") == 0
        tries.succeeded("mira", "10.0.0.7")
        clock.now += 60 * (PER_NAME - 1)  # those of the address come back with time alone


def test_an_address_that_tries_many_names_waits_whatever_the_next_one_is(clock: Clock) -> None:
    tries = attempts(clock)
    for number in range(PER_ADDRESS):
        assert tries.begin(f"name{number}", "2001:db8::1") == 0
    assert tries.begin("another", "2001:db8::2") == 60


def test_a_refused_try_costs_nothing_more(clock: Clock) -> None:
    """Else whoever waits and tries again too early would never be let in."""
    tries = attempts(clock)
    for _ in range(PER_NAME):
        tries.begin("mira", "10.0.0.7")
    for _ in range(100):
        tries.begin("mira", "10.0.0.7")
    clock.now += 180
    assert tries.begin("mira", "10.0.0.7") == 0
