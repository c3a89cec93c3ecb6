"""The host names of the server, by default and when some are set."""

from __future__ import annotations

import socket

from monitor.config.hosts import LOOPBACK, served_hosts


def test_configured_names_replace_the_defaults() -> None:
    assert served_hosts(("gpu01", ".example.com"), "0.0.0.0") == ["gpu01", ".example.com"]


def test_only_loopback_names_are_served_on_loopback() -> None:
    assert served_hosts((), "127.0.0.1") == list(LOOPBACK)


def test_bound_address_is_served_beside_loopback() -> None:
    assert served_hosts((), "10.0.0.7") == [*LOOPBACK, "10.0.0.7"]


def test_ipv6_address_is_served_in_brackets() -> None:
    assert served_hosts((), "FD00::7") == [*LOOPBACK, "[fd00::7]"]


def test_only_the_own_host_name_is_served_on_all_addresses() -> None:
    hosts = served_hosts((), "0.0.0.0")
    assert socket.gethostname().lower() in hosts
    assert "*" not in hosts
    assert "evil.example.com" not in hosts
