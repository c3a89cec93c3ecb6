"""Origin checks: handshakes from this site's pages are accepted, and without Origin only where programs are."""

from __future__ import annotations

import pytest

from monitor.live.origin import Origins

ORIGINS = Origins(["localhost", "gpu.example.com"], ["https://portal.example.com", "https://*.lab.example.com"])


def allowed(host: str | None, origin: str | None, *, without_origin: bool = False) -> bool:
    given = [(b"host", host), (b"origin", origin)]
    headers = [(name, value.encode("latin-1")) for name, value in given if value is not None]
    return ORIGINS.allow({"headers": headers}, without_origin=without_origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5000", "http://localhost:5000"),
        ("gpu.example.com", "https://gpu.example.com"),
        ("GPU.example.com", "https://gpu.EXAMPLE.com"),
        ("gpu.example.com", "https://portal.example.com"),
        ("gpu.example.com", "https://a.LAB.example.com"),
    ],
)
def test_pages_of_this_and_trusted_sites_are_accepted(host: str, origin: str) -> None:
    assert allowed(host, origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5000", "http://evil.example"),
        ("localhost:5000", "http://localhost:5001"),
        ("localhost:5000", "http://localhost.evil.example:5000"),
        ("localhost:5000", "http://a.lab.example.com"),
        ("localhost:5000", "https://a.lab.example.com:8443"),
        ("localhost:5000", "https://evil-lab.example.com"),
        ("localhost:5000", "https://a.lab.example.com.evil.example"),
        ("localhost:5000", "https://*.lab.example.com.evil.example"),
        ("localhost:5000", "null"),
        ("localhost:5000", ""),
        ("localhost:5000", "http://[::1"),
        ("evil.example", "http://evil.example"),
        (None, "http://localhost"),
        ("", ""),
    ],
)
def test_pages_of_other_sites_are_refused(host: str | None, origin: str | None) -> None:
    assert not allowed(host, origin, without_origin=True)


def test_program_without_origin_is_accepted_only_where_programs_are() -> None:
    assert allowed("localhost", None, without_origin=True)
    assert not allowed("localhost", None)
    assert not allowed("evil.example", None, without_origin=True)
