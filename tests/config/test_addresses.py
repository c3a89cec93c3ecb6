"""Settings that name hosts, origins and URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.settings_file import load, refusal

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.mark.parametrize("hosts", ["http://gpu01", "gpu01:5000", "gpu 01", "a/b"])
def test_allowed_hosts_with_scheme_port_or_path_are_refused(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    assert f"GPU_MONITOR_ALLOWED_HOSTS={hosts} is invalid" in refusal(env_file, monkeypatch, ALLOWED_HOSTS=hosts)


@pytest.mark.parametrize(
    "origin", ["gpu.example.com", "https://[gpu", "https://gpu:port", "https://gpu:99999", "https://:80"]
)
@pytest.mark.parametrize("name", ["CSRF_TRUSTED_ORIGINS", "PUBLIC_URL"])
def test_impossible_origin_is_refused(env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, origin: str) -> None:
    """Some were accepted although they match no page."""
    assert f"GPU_MONITOR_{name}={origin} is invalid" in refusal(env_file, monkeypatch, **{name: origin})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://GPU.Example.com", "https://gpu.example.com"),
        ("https://gpu.example.com:443/", "https://gpu.example.com"),
        ("HTTP://gpu_box:80", "http://gpu_box"),
        ("https://*.Example.com:443", "https://*.example.com"),
        ("http://[FD00:0::7]:8080", "http://[fd00::7]:8080"),
    ],
)
def test_origins_are_kept_as_browsers_send_them(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    assert load(env_file, monkeypatch, CSRF_TRUSTED_ORIGINS=written).csrf_trusted_origins == (meant,)


def test_frame_ancestors_are_origins_that_a_content_security_policy_can_name(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = load(
        env_file, monkeypatch, FRAME_ANCESTORS="https://Home.example.com/, http://10.0.0.7:3000"
    ).frame_ancestors
    assert named == ("https://home.example.com", "http://10.0.0.7:3000")
    for written in ("http://[fd00::7]:3000", "home.example.com", "*", "https://a;script-src *", "https://a/path"):
        assert "is invalid: must be origins separated by commas, with scheme" in refusal(
            env_file, monkeypatch, FRAME_ANCESTORS=written
        )


def test_ipv6_address_among_the_hosts_needs_no_brackets(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(env_file, monkeypatch, ALLOWED_HOSTS="fd00::7").allowed_hosts == ("[fd00::7]",)


def test_public_url_is_a_trusted_origin_and_an_own_host(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(env_file, monkeypatch, PUBLIC_URL="https://GPU.example.com:8443/", CSRF_TRUSTED_ORIGINS="http://a")
    assert (config.trusted_origins, config.public_host) == (
        ["http://a", "https://gpu.example.com:8443"],
        "gpu.example.com",
    )
    assert load(env_file, monkeypatch, PUBLIC_URL="").public_host is None


@pytest.mark.parametrize("url", ["https://gpu.example.com", "https://gpu.example.com/", "https://gpu.example.com/gpus"])
def test_public_url_has_the_base_path(env_file: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Links of messages led to the rest of the site."""
    config = load(env_file, monkeypatch, BASE_PATH="/gpus", PUBLIC_URL=url)
    assert config.public_url == "https://gpu.example.com/gpus/"
