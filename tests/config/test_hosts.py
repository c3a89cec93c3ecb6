"""The host names of the server, by default and when some are set."""

from __future__ import annotations

import socket

from monitor.config.hosts import LOOPBACK, served_hosts


def test_given_names_are_the_only_ones() -> None:
    assert served_hosts(("gpu01", ".example.com"), "0.0.0.0") == ["gpu01", ".example.com"]


def test_on_loopback_only_loopback_names_are_answered() -> None:
    assert served_hosts((), "127.0.0.1") == list(LOOPBACK)


def test_a_bound_address_is_answered_beside_loopback() -> None:
    assert served_hosts((), "10.0.0.7") == [*LOOPBACK, "10.0.0.7"]


def test_an_ipv6_address_is_answered_in_brackets() -> None:
    assert served_hosts((), "FD00::7") == [*LOOPBACK, "[fd00::7]"]


def test_on_every_address_the_own_name_is_answered_and_no_other() -> None:
    hosts = served_hosts((), "0.0.0.0")
    assert socket.gethostname().lower() in hosts
    assert "*" not in hosts
    assert "evil.example.com" not in hosts
