"""The host names of the server, by default and when some are set."""

from __future__ import annotations

import socket

import pytest

from monitor.config.hosts import LOOK_AGAIN_SECONDS, LOOPBACK, ServedHosts


def test_configured_names_replace_the_defaults() -> None:
    assert ServedHosts(("gpu01", ".example.com"), "0.0.0.0").names == ("gpu01", ".example.com")


def test_only_loopback_names_are_served_on_loopback() -> None:
    assert ServedHosts((), "127.0.0.1").names == LOOPBACK


def test_bound_address_is_served_beside_loopback() -> None:
    assert ServedHosts((), "10.0.0.7").names == (*LOOPBACK, "10.0.0.7")


def test_ipv6_address_is_served_in_brackets() -> None:
    assert ServedHosts((), "FD00::7").names == (*LOOPBACK, "[fd00::7]")


def test_only_the_own_host_name_is_served_on_all_addresses() -> None:
    hosts = ServedHosts((), "0.0.0.0").names
    assert socket.gethostname().lower() in hosts
    assert "*" not in hosts
    assert "evil.example.com" not in hosts


@pytest.mark.parametrize("configured", [(), ("gpu01",)])
def test_host_of_the_public_url_is_always_served(configured: tuple[str, ...]) -> None:
    assert ServedHosts(configured, "127.0.0.1", "gpu.example.com").serves("gpu.example.com")


@pytest.mark.parametrize(
    ("allowed", "name", "is_served"),
    [
        ("GPU01", "gpu01", True),
        ("gpu01.", "gpu01", True),
        ("gpu_box", "gpu_box", True),
        (".example.com", "a.example.com", True),
        (".example.com", "example.com", True),
        (".example.com", "evilexample.com", False),
        ("example.com", "a.example.com", False),
        ("*", "anything", True),
        ("[FD00::0:7]", "[fd00::7]", True),
    ],
)
def test_names_are_compared_in_their_canonical_form(allowed: str, name: str, is_served: bool) -> None:
    assert ServedHosts((allowed,), "127.0.0.1").serves(name) is is_served


class Machine:
    """A machine whose addresses change, and a clock."""

    def __init__(self) -> None:
        self.addresses = ["10.0.0.7"]
        self.look_ups = 0
        self.now = 100.0

    def look_up(self) -> list[str]:
        self.look_ups += 1
        return self.addresses

    def monotonic(self) -> float:
        return self.now


def hosts_of(machine: Machine, *allowed: str, bound_to: str = "0.0.0.0") -> ServedHosts:
    return ServedHosts(allowed, bound_to, look_up=machine.look_up, monotonic=machine.monotonic)


def test_address_that_the_machine_gets_after_the_start_is_served() -> None:
    machine = Machine()
    hosts = hosts_of(machine)
    machine.addresses = ["10.99.0.7", "FD00::9"]
    assert hosts.serves("10.99.0.7")
    assert hosts.serves("[fd00::9]")
    assert not hosts.serves("10.0.0.7"), "the machine has lost it"


def test_unknown_names_cannot_cause_many_look_ups() -> None:
    machine = Machine()
    hosts = hosts_of(machine)
    assert not any(hosts.serves(f"evil{number}.example") for number in range(50))
    assert machine.look_ups == 2
    machine.addresses.append("10.99.0.7")
    assert not hosts.serves("10.99.0.7")
    machine.now += LOOK_AGAIN_SECONDS
    assert hosts.serves("10.99.0.7")
    assert machine.look_ups == 3


@pytest.mark.parametrize(("allowed", "bound_to"), [((), "10.0.0.7"), (("gpu01",), "0.0.0.0")])
def test_addresses_do_not_matter_where_the_names_are_set(allowed: tuple[str, ...], bound_to: str) -> None:
    machine = Machine()
    assert not hosts_of(machine, *allowed, bound_to=bound_to).serves("10.99.0.7")
    assert machine.look_ups == 0
