"""The security headers, on every address of the site: pages, the API, the admin, files, redirects and errors."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import requests
from django.test import Client
from websockets.exceptions import InvalidStatus

from monitor.http.security_headers import HEADERS
from monitor.web import errors
from tests.support.people import csrf_cookie_name
from tests.support.servers import ROOT, Server
from tests.support.site_addresses import addresses
from tests.support.sockets import connect

EXPECTED = {
    **HEADERS,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FORBIDDEN = ("Access-Control-Allow-Origin", "X-Powered-By", "Via", "X-AspNet-Version", "X-Debug", "Server-Timing")
PATHS = sorted({address.path for address in addresses()})


def holds(answer: requests.Response) -> None:
    """Assert what must hold for every response."""
    said = answer.headers
    is_badge = said.get("Content-Type") == "image/svg+xml" and "/badge/" in answer.url
    expected = {**EXPECTED, "Cross-Origin-Resource-Policy": "cross-origin"} if is_badge else EXPECTED
    assert {name: said.get(name) for name in expected} == expected
    assert [name for name in FORBIDDEN if name in said] == []
    assert said["Server"] == "gpumon"  # no version
    assert "unsafe" not in said["Content-Security-Policy"]
    assert "*" not in said["Content-Security-Policy"]
    is_file = "/static/" in answer.url and answer.status_code in (200, 304)
    assert is_file or "no-store" in said["Cache-Control"], said["Cache-Control"]
    if answer.content:
        assert "Content-Type" in said
        assert not said["Content-Type"].startswith("text/html") or "charset=utf-8" in said["Content-Type"].lower()
    for given in answer.raw.headers.getlist("Set-Cookie"):
        for cookie in SimpleCookie(given).values():
            if cookie["max-age"] == "0":  # the cookie is deleted
                continue
            assert cookie["httponly"], given
            assert cookie["samesite"] in ("Lax", "Strict"), given
            assert not cookie["domain"], given


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_address_has_the_headers(server: Server, root: requests.Session, path: str, method: str) -> None:
    for visitor in (requests.Session(), root) if method == "GET" else (root,):
        answer = visitor.request(method, server.url + path, allow_redirects=False, timeout=40)
        assert answer.status_code < 500 or path == "/api/health"
        holds(answer)


@pytest.mark.slow
def test_files_have_the_headers_and_are_cacheable(server: Server) -> None:
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', server.get("/")[1]))
    assert len(files) > 5
    for file in files:
        answer = requests.get(server.url + file, timeout=40)
        holds(answer)
        assert "immutable" in answer.headers["Cache-Control"]
        again = requests.get(
            server.url + file, headers={"If-Modified-Since": answer.headers["Last-Modified"]}, timeout=40
        )
        assert again.status_code == 304
        holds(again)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (400, "GET", "/", {"Host": "evil.example"}),
        (400, "GET", "/api/snapshot", {"Host": "evil.example"}),
        (400, "GET", "/api/alerts?state=none", {}),
        (403, "POST", "/login", {}),
        (404, "GET", "/nothing", {}),
        (404, "GET", "/api/nothing", {}),
        (404, "GET", "/gpu/nothing", {}),
        (404, "GET", "/static/nothing.js", {}),
        (405, "POST", "/", {"Cookie": "CSRF=" + 32 * "a", "X-CSRFToken": 32 * "a"}),
        (405, "DELETE", "/api/snapshot", {}),
    ],
)  # fmt: skip
def test_errors_have_the_headers(server: Server, status: int, method: str, path: str, headers: dict[str, str]) -> None:
    given = {name: value.replace("CSRF=", f"{csrf_cookie_name(server)}=") for name, value in headers.items()}
    answer = requests.request(method, server.url + path, headers=given, allow_redirects=False, timeout=40)
    assert answer.status_code == status
    holds(answer)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/nothing", "/api/nothing"])
def test_server_error_has_the_headers(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def fail(*_given: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(errors.defaults, "page_not_found", fail)
    monkeypatch.setattr(errors, "not_found", fail)
    monkeypatch.setattr("gpumon_site.urls.handler404", fail)
    answer = Client(raise_request_exception=False).get(path)
    assert answer.status_code == 500
    assert {name: answer.get(name) for name in EXPECTED} == EXPECTED
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/ws/nothing", "/ws/dashboard", "/ws/gpu?hz=none"])
def test_refused_sockets_have_the_headers(server: Server, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(server.ws + path):
        pass
    said = refused.value.response.headers
    assert refused.value.response.status_code == 403
    assert {name: said.get(name) for name in EXPECTED} == EXPECTED
    assert said["Cache-Control"] == "no-store"


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_what_is_no_request_gets_the_headers_too(server: Server, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=40)) as client:
        client.sendall(sent)
        answer = client.makefile("rb").read(4000) if b"nonsense" in sent else client.recv(4000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    for name, value in EXPECTED.items():
        assert f"{name}: {value}\r\n".encode() in answer


@pytest.mark.slow
def test_cookie_names_belong_to_an_installation(tmp_path: Path) -> None:
    """Browsers keep cookies by host name, whatever the port: logging in to a second server logged out of the first."""

    def name_of(data_dir: str, key: str, port: str) -> str:
        given = {"DATA_DIR": str(tmp_path / data_dir), "SECRET_KEY": key * 32, "PORT": port}
        ended = subprocess.run(
            [sys.executable, "-c", "from gpumon_site import settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME)"],
            cwd=ROOT, env={"PATH": "/usr/bin:/bin", **{f"GPU_MONITOR_{name}": value for name, value in given.items()}},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return ended.stdout

    first = name_of("a", "a", "5000")
    assert first == name_of("a", "a", "5000")
    assert re.fullmatch(r"gpumon_session_[0-9a-f]{8} gpumon_csrf_[0-9a-f]{8}\n", first)
    assert len({first, name_of("b", "a", "5000"), name_of("a", "b", "5000"), name_of("a", "a", "5001")}) == 4
