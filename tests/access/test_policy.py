"""Who must log in, by the settings and by the origin of the request."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.access.policy import access_of, is_behind_tls
from monitor.config.hosts import is_loopback
from monitor.config.model import Config
from monitor.config.overrides import validated


def config(**values: Any) -> Config:
    return validated(Config.model_construct(), values)


@pytest.mark.parametrize(
    ("values", "login"),
    [
        ({}, "others"),
        ({"host": "::1"}, "others"),
        ({"host": "localhost", "allowed_hosts": "localhost,127.0.0.1,[::1]"}, "others"),
        ({"host": "0.0.0.0"}, "everybody"),
        ({"host": "::"}, "everybody"),
        ({"host": "gpu01"}, "everybody"),
        ({"allowed_hosts": "localhost,gpu01"}, "everybody"),
        ({"allowed_hosts": "*"}, "everybody"),
        ({"trusted_proxies": "127.0.0.1"}, "everybody"),
        ({"trusted_proxies": "unix"}, "everybody"),
        ({"csrf_trusted_origins": "https://gpu.example.com"}, "everybody"),
        ({"csrf_trusted_origins": "https://*.example.com"}, "everybody"),
        ({"csrf_trusted_origins": "http://localhost:8080,http://[::1]:8080"}, "others"),
        ({"public_url": "https://gpu.example.com/gpus/"}, "everybody"),
        ({"public_url": "http://127.0.0.1:5000/"}, "others"),
        ({"auth": "login"}, "everybody"),
        ({"auth": "none"}, "nobody"),
        ({"host": "0.0.0.0", "auth": "none"}, "nobody"),
    ],
)
def test_everyone_must_log_in_when_the_server_is_reachable_from_other_hosts(values: dict[str, Any], login: str) -> None:
    assert access_of(config(**values)).login == login


@pytest.mark.parametrize(
    "address", ["10.0.0.7", "192.168.1.2", "fe80::1%eth0", "::ffff:10.0.0.7", "", "unix", "127.0.0.1.evil"]
)
def test_other_addresses_must_log_in_to_a_local_server(address: str) -> None:
    assert access_of(config()).asks_login_of(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_local_requests_need_no_login_unless_forwarded_by_a_proxy(address: str) -> None:
    rule = access_of(config())
    assert not rule.asks_login_of(address)
    assert rule.asks_login_of(address, was_forwarded=True)
    assert access_of(config(auth="login")).asks_login_of(address)


def test_auth_none_needs_no_login_from_any_address() -> None:
    assert not access_of(config(auth="none", host="0.0.0.0")).asks_login_of("10.0.0.7", was_forwarded=True)


@pytest.mark.parametrize(
    ("values", "shows"),
    [
        ({}, True),
        ({"anonymous_details": "hide"}, False),
        ({"auth": "none", "host": "0.0.0.0"}, False),
        ({"auth": "none", "host": "0.0.0.0", "anonymous_details": "show"}, True),
    ],
)
def test_anonymous_viewers_see_no_details_when_the_server_is_reachable_from_other_hosts(
    values: dict[str, Any], shows: bool
) -> None:
    assert access_of(config(**values)).shows_details is shows


@pytest.mark.parametrize(
    ("values", "is_tls"),
    [
        ({}, False),
        ({"tls": "on"}, True),
        ({"csrf_trusted_origins": "https://gpu.example.com"}, True),
        ({"csrf_trusted_origins": "https://gpu.example.com,http://10.0.0.7"}, False),
        ({"csrf_trusted_origins": "https://gpu.example.com", "tls": "off"}, False),
        ({"public_url": "https://gpu.example.com/"}, True),
        ({"public_url": "http://gpu.example.com/"}, False),
        ({"public_url": "http://gpu.example.com/", "csrf_trusted_origins": "https://gpu.example.com"}, False),
    ],
)
def test_https_is_detected_by_the_setting_or_the_public_url(values: dict[str, Any], is_tls: bool) -> None:
    assert is_behind_tls(config(**values)) is is_tls


@pytest.mark.parametrize("name", ["LOCALHOST", "localhost.", "[::1]", "127.0.0.1"])
def test_loopback_names_are_recognized(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["localhost.evil.example", ".localhost", "*", "0.0.0.0", "gpu01"])
def test_similar_names_are_not_loopback(name: str) -> None:
    assert not is_loopback(name)
