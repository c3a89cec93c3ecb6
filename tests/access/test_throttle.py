"""Limits per client: buckets that refill by the test's own clock."""

from __future__ import annotations

import pytest

from monitor.access.rate_limits.rate_limiter import MOST_CLIENTS, Rate, client_of, site_of
from monitor.access.rate_limits.throttle import (
    WRONG_FROM_ANYWHERE,
    WRONG_PER_ADDRESS,
    WRONG_PER_NAME,
    WRONG_PER_SITE,
    Throttle,
)


class Clock:
    """A clock set by the test."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_burst_is_accepted_and_then_one_at_a_time(clock: Clock) -> None:
    rate = Rate(per_minute=60, at_once=3, clock=clock)
    assert [rate.take("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    clock.now += 1
    assert [rate.take("a"), rate.take("a")] == [0, 1]
    assert rate.take("b") == 0


def test_bucket_is_no_larger_after_a_long_pause(clock: Clock) -> None:
    rate = Rate(per_minute=60, at_once=2, clock=clock)
    rate.take("a")
    clock.now += 86_400
    assert [rate.take("a") for _ in range(3)] == [0, 0, 1]


def test_number_of_tracked_clients_is_limited(clock: Clock) -> None:
    rate = Rate(per_minute=1, at_once=1, clock=clock)
    for number in range(MOST_CLIENTS + 50):
        rate.take(str(number))
    assert rate.client_count == MOST_CLIENTS


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
def test_ipv6_network_counts_as_one_client(address: str, client: str) -> None:
    assert client_of(address) == client


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(api_per_minute=60, clock=clock)


def test_five_wrong_passwords_throttle_that_username_only(clock: Clock, throttle: Throttle) -> None:
    assert [throttle.wait_for_password("mira", "10.0.0.7") for _ in range(WRONG_PER_NAME)] == [0] * WRONG_PER_NAME
    assert throttle.wait_for_password(" MIRA", "10.0.0.7") == 180
    assert throttle.wait_for_password("ana", "10.0.0.7") == 0
    assert throttle.wait_for_password("mira", "10.0.0.8") == 0
    clock.now += 180
    assert throttle.wait_for_password("mira", "10.0.0.7") == 0


@pytest.mark.parametrize("spelled", ["ｍira", "MIRA", "mir\N{MATHEMATICAL BOLD SMALL A}", "\u3000mira\n"])
def test_other_spelling_of_a_username_is_the_same_username(throttle: Throttle, spelled: str) -> None:
    """Django's form checks all spellings against the same account, so each would allow five guesses."""
    for _ in range(WRONG_PER_NAME):
        throttle.wait_for_password("mira", "10.0.0.7")
    assert throttle.wait_for_password(spelled, "10.0.0.7") == 180


def test_correct_password_resets_the_attempts_of_the_username(clock: Clock, throttle: Throttle) -> None:
    for _ in range(30):
        for _ in range(WRONG_PER_NAME - 1):
            throttle.wait_for_password("mira", "10.0.0.7")
        assert throttle.wait_for_password("mira", "10.0.0.7") == 0
        throttle.password_was_right("mira", "10.0.0.7")
        clock.now += 60 * (WRONG_PER_NAME - 1)  # the attempts of the address recover only with time


def test_address_that_tries_many_usernames_is_throttled_for_any_username(throttle: Throttle) -> None:
    for number in range(WRONG_PER_ADDRESS):
        assert throttle.wait_for_password(f"name{number}", "2001:db8::1") == 0
    assert throttle.wait_for_password("another", "2001:db8::2") == 60


def test_refused_attempt_is_not_counted(clock: Clock, throttle: Throttle) -> None:
    """Otherwise a user who retries too early would never be admitted."""
    for _ in range(WRONG_PER_NAME):
        throttle.wait_for_password("mira", "10.0.0.7")
    for _ in range(100):
        throttle.wait_for_password("mira", "10.0.0.7")
    clock.now += 180
    assert throttle.wait_for_password("mira", "10.0.0.7") == 0


def test_guesses_for_one_username_are_throttled_over_all_addresses(clock: Clock, throttle: Throttle) -> None:
    """Regression: each address had five guesses of its own, however many addresses there were."""
    addresses = [f"10.0.{number}.1" for number in range(30)]
    waits = [throttle.wait_for_password("admin", address) for address in addresses]
    assert waits == [0] * WRONG_FROM_ANYWHERE + [36] * (30 - WRONG_FROM_ANYWHERE)
    assert throttle.wait_for_password("mira", addresses[0]) == 0
    clock.now += 3600
    looked_at = 0
    for second in range(3600):
        clock.now += 1
        looked_at += throttle.wait_for_password("admin", f"10.{second % 250}.{second // 250}.2") == 0
    assert looked_at == pytest.approx(100 + WRONG_FROM_ANYWHERE, abs=1)


@pytest.mark.parametrize("address", ["10.9.9.9", "2001:db8:9::1", "127.0.0.1"])
def test_guesses_elsewhere_do_not_lock_out_the_owner(clock: Clock, throttle: Throttle, address: str) -> None:
    """Where the owner has logged in before, and on the host itself, only attempts from there count."""
    assert throttle.wait_for_password("admin", address) == 0
    throttle.password_was_right("admin", address)
    for number in range(1000):
        throttle.wait_for_password("admin", f"10.0.{number % 250}.{number // 250}")
    assert [throttle.wait_for_password(" ADMIN", address) for _ in range(WRONG_PER_NAME + 1)] == [
        *[0] * WRONG_PER_NAME,
        180,
    ]
    assert throttle.wait_for_password("admin", "10.9.9.10") > 0


def test_right_password_frees_no_guesses_for_others(throttle: Throttle) -> None:
    for number in range(WRONG_FROM_ANYWHERE - 1):
        throttle.wait_for_password("admin", f"10.0.0.{number}")
    assert throttle.wait_for_password("admin", "10.9.9.9") == 0
    throttle.password_was_right("admin", "10.9.9.9")
    assert throttle.wait_for_password("admin", "10.0.1.1") == 0
    assert throttle.wait_for_password("admin", "10.0.1.2") == 36


def test_ipv6_site_that_tries_many_usernames_is_throttled(throttle: Throttle) -> None:
    """A /48 has 65,536 networks of the size that counts as one client."""
    for number in range(WRONG_PER_SITE):
        assert throttle.wait_for_password(f"name{number}", f"2001:db8:1:{number:x}::1") == 0
    assert throttle.wait_for_password("another", "2001:db8:1:ffff::1") == 12
    assert throttle.wait_for_password("another", "2001:db8:2::1") == 0


@pytest.mark.parametrize(
    ("address", "site"),
    [("2001:db8:1:2::3", "2001:db8:1::/48"), ("10.0.0.7", None), ("::ffff:10.0.0.7", None), ("", None)],
)
def test_only_ipv6_addresses_belong_to_a_site(address: str, site: str | None) -> None:
    assert site_of(address) == site
