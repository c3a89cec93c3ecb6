"""GPU_MONITOR_REDIS_URL: which URLs are accepted, what it needs beside it, and that its password is shown nowhere."""

from __future__ import annotations

import pytest

from monitor.config.loading import load_config
from monitor.config.redis_url import check, place, require_client

KEY = "k" * 40


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://:secret@10.0.0.7:6380/2",
        "rediss://gpumon:s%40cret@redis.example.org:6379/0?ssl_ca_certs=/etc/ssl/redis.pem",
        "redis://[::1]:6379",
    ],
)
def test_url_is_accepted(url: str) -> None:
    check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "redis://",
        "redis://host:0",
        "redis://host:port",
        "redis://host/name",
        "redis://u:sec#ret@host",
        "redis://host?ssl_ca_certs=/x",
        "rediss://host?ssl_cert_reqs=none",
        "host:6379",
    ],
)
def test_wrong_url_stops_the_start_without_showing_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_REDIS_URL", url)
    with pytest.raises(
        SystemExit, match=r"GPU_MONITOR_REDIS_URL=.* is invalid: must be a URL such as redis://"
    ) as raised:
        load_config(())
    assert "sec#ret" not in str(raised.value)


@pytest.mark.parametrize("missing", ["DATABASE_URL", "SECRET_KEY"])
def test_processes_of_a_hub_share_database_and_secret_key(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"REDIS_URL": "redis://h", "DATABASE_URL": "postgresql://u@h/n", "SECRET_KEY": KEY}
    for name, value in given.items():
        if name != missing:
            monkeypatch.setenv(f"GPU_MONITOR_{name}", value)
    with pytest.raises(SystemExit, match=f"must be used together with GPU_MONITOR_{missing}"):
        load_config(())


def test_password_is_kept_out_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_REDIS_URL", "redis://gpumon:s%40cret@host")
    monkeypatch.setenv("GPU_MONITOR_DATABASE_URL", "postgresql://u@h/n")
    monkeypatch.setenv("GPU_MONITOR_SECRET_KEY", KEY)
    assert {"s@cret", "redis://gpumon:s%40cret@host"} <= set(load_config(()).secret_values())


def test_missing_client_stops_the_start_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SystemExit, match=r"needs the package redis.*requirements-fleet\.lock"):
        require_client()


def test_place_in_messages() -> None:
    assert [place(url) for url in ("redis://h", "rediss://u:p@[::1]:7/0")] == ["h:6379", "[::1]:7"]
