"""Origin checks: forms and handshakes from this site's pages are accepted, and without Origin only where programs are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.hosts import ServedHosts
from monitor.http.hosts import HOST, HostCheck
from monitor.http.origins import Origins
from monitor.http.proxies import TrustedProxies

HOSTS = ("localhost", "gpu.example.com", "gpu_box", "fd00::7")
ORIGINS = Origins(["https://portal.example.com", "https://*.lab.example.com", "https://a.example.com:8443"])
Headers = dict[str, str]
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port")


def scope_of(headers: Headers, *, kind: str = "http", names: tuple[str, ...] = HOSTS) -> dict[str, Any]:
    """The scope behind the proxy 127.0.0.1, as the application sees it."""
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": kind, "path": "/login", "client": ("127.0.0.1", 4711), "headers": given}
    if kind == "http":
        scope["scheme"] = "http"
    layers = TrustedProxies(HostCheck(app, ServedHosts(names, "127.0.0.1")), ["127.0.0.1", "10.0.0.0/24"])
    asyncio.run(layers(scope, None, None))  # type: ignore[arg-type]
    result: dict[str, Any] = seen[0]
    return result


def allowed(host: str | None, origin: str | None, *, without_origin: bool = False, **others: str) -> bool:
    """The verdict, which is the same for a form and a socket."""
    given = {"Host": host, "Origin": origin, **{name.replace("_", "-"): value for name, value in others.items()}}
    headers = {name: value for name, value in given.items() if value is not None}
    verdicts = {
        ORIGINS.allow(scope_of(headers, kind=kind), without_origin=without_origin) for kind in ("http", "websocket")
    }
    assert len(verdicts) == 1
    return verdicts.pop()


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5000", "http://localhost:5000"),
        ("gpu.example.com", "https://gpu.example.com"),
        ("GPU.example.com", "https://gpu.EXAMPLE.com"),
        ("gpu.example.com", "https://portal.example.com"),
        ("gpu.example.com", "https://a.LAB.example.com"),
        ("gpu.example.com", "https://a.example.com:8443"),
        ("gpu.example.com:80", "http://gpu.example.com"),
        ("gpu.example.com:443", "https://gpu.example.com"),
        ("gpu.example.com:00080", "http://gpu.example.com"),
        ("gpu.example.com:", "http://gpu.example.com"),
        ("gpu.example.com.", "http://gpu.example.com."),
        ("gpu_box:5000", "http://gpu_box:5000"),
        ("[FD00:0::7]:5000", "http://[fd00::7]:5000"),
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
        ("localhost:5000", "http://localhost:5000, http://localhost:5000"),
        ("localhost:5000", "http://localhost:5000/"),
        ("localhost:5000", "http://me@localhost:5000"),
        ("localhost:5000", "ftp://localhost:5000"),
        ("localhost:80", "http://localhost:8080"),
        ("localhost:0", "http://localhost:0"),
        ("localhost:99999", "http://localhost:99999"),
        ("localhost, localhost", "http://localhost"),
        ("gpu.example.com", "https://a.example.com"),
        ("gpu.example.com", "http://a.example.com:8443"),
    ],
)
def test_pages_of_other_sites_are_refused(host: str | None, origin: str | None) -> None:
    assert not allowed(host, origin, without_origin=True)


def test_program_without_origin_is_accepted_only_where_programs_are() -> None:
    assert allowed("localhost", None, without_origin=True)
    assert not allowed("localhost", None)
    assert not allowed("evil.example", None, without_origin=True)


@pytest.mark.parametrize(
    ("proxy", "own", "foreign"),
    [
        ({"X_Forwarded_Proto": "https"}, "https://gpu.example.com", "http://gpu.example.com"),
        ({"X_Forwarded_Proto": "http"}, "http://gpu.example.com", "https://gpu.example.com"),
        ({"X_Forwarded_Proto": "http", "X_Forwarded_Port": "5155"}, "http://gpu.example.com:5155", "http://gpu.example.com:5156"),
        ({"X_Forwarded_Proto": "https", "X_Forwarded_Port": "443"}, "https://gpu.example.com", "https://gpu.example.com:80"),
        ({"X_Forwarded_Port": "none"}, "http://gpu.example.com", "http://gpu.example.com:1"),
        ({"X_Forwarded_Port": "0"}, "http://gpu.example.com", "http://gpu.example.com:0"),
        (
            {"X_Forwarded_For": "192.0.2.9, 10.0.0.5", "X_Forwarded_Proto": "https,http", "X_Forwarded_Port": "8443,80"},
            "https://gpu.example.com:8443",
            "http://gpu.example.com",
        ),
        (
            {"X_Forwarded_For": "192.0.2.9, 10.0.0.5", "X_Forwarded_Host": "localhost, inner", "X_Forwarded_Proto": "https, http"},
            "https://localhost",
            "https://gpu.example.com",
        ),
    ],
)  # fmt: skip
def test_address_is_the_one_that_trusted_proxies_report(proxy: Headers, own: str, foreign: str) -> None:
    assert allowed("gpu.example.com", own, **proxy)
    assert not allowed("gpu.example.com", foreign, **proxy)


def test_scheme_that_no_proxy_reports_may_be_either() -> None:
    """gpumon serves HTTP: whether a proxy in between serves HTTPS is unknown."""
    assert allowed("gpu.example.com:8443", "https://gpu.example.com:8443")
    assert allowed("gpu.example.com:8443", "http://gpu.example.com:8443")


def test_null_is_accepted_from_an_own_page_without_referrer() -> None:
    """What a browser sends under `Referrer-Policy: no-referrer`. No page can set Sec-Fetch-Site."""
    assert allowed("localhost", "null", Sec_Fetch_Site="same-origin")
    for site in ("cross-site", "same-site", "none", ""):
        assert not allowed("localhost", "null", Sec_Fetch_Site=site)
    assert not allowed("localhost", "http://evil.example", Sec_Fetch_Site="same-origin")


def test_refusal_is_logged_once_with_what_came_what_was_expected_and_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    origins = Origins([])
    for kind, what in (("websocket", "socket"), ("http", "form")):
        scope = scope_of({"Host": "gpu.example.com", "Origin": "http://evil.example:1"}, kind=kind)
        assert [origins.allow(scope, without_origin=False) for _ in range(3)] == [False] * 3
        (record,) = [each for each in caplog.messages if f"refused a {what} for /login" in each]
        assert "'http://evil.example:1', expected http://gpu.example.com or https://gpu.example.com" in record
        assert "GPU_MONITOR_TRUSTED_PROXIES" in record
        assert "GPU_MONITOR_CSRF_TRUSTED_ORIGINS" in record
    assert len(caplog.messages) == 2


TEXTS = st.text(st.characters(max_codepoint=255), max_size=30) | st.sampled_from(
    ["localhost", "http://localhost", "https://gpu.example.com:443", "null", "[fd00::7]:5000", "http://[", "a:b:c", "*"]
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("Host", "Origin", *FORWARDED), TEXTS)))
@settings(max_examples=200, deadline=None)
def test_any_bytes_get_the_same_verdict_for_forms_and_sockets(headers: Headers) -> None:
    verdicts = [ORIGINS.allow(scope_of(headers, kind=kind), without_origin=False) for kind in ("http", "websocket")]
    assert verdicts[0] == verdicts[1]
    host = scope_of(headers).get(HOST)
    assert host is None or host.partition(":")[0] in HOSTS or host.startswith("[fd00::7]")
