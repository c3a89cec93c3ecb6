"""Every address answers garbage with 4xx, never 500. The addresses come from the URL configuration, so none is missed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.urls import resolve

from monitor.web import routing
from tests.support.raw_requests import PARTS, request, status_of
from tests.support.servers import Server, wait_for
from tests.support.site_addresses import PLACEHOLDER, UUID_PLACEHOLDER, addresses

pytestmark = pytest.mark.slow

ADMIN = (b"/admin/", b"/admin/login/", b"/admin/logout/", b"/admin/auth/user/1/change/")
OF_EACH_KIND = (b"/login", b"/admin/login/", b"/gpu/", b"/alerts", b"/api/health", b"/api/history", b"/api/snapshot",
                b"/static/js/", b"/ws/gpu", b"/nothing")  # fmt: skip
METHODS = [b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"BREW", b"get", b"G" * 3000,
           b"G\xc3T", b"G\x00T", b"G(T", b""]  # fmt: skip
QUERIES = [b"%00", b"%ff=%fe", b"\xff", b"=&&=", b"gpu=%00", b"gpu=%ff", b"gpu=" + b"9" * 5000, b"gpu[]=1", b"gpu=0&gpu=%c3",
           b"a=1&" * 2000, b"next=//evil.example", b"next=%00", b"_popup=1&_to_field=%00", b"e=1", b"q=%00&o=-9.9&p=x",
           b"state=all&since=nan", b"state=all&since=1e999&limit=%00", b"severity=%00&day=0000-00-00&rule=%ff&acknowledged=1&q=%00",
           b"before=9_9", b"before=%00_%00", b"before=" + b"9" * 60 + b"_00000000-0000-4000-8000-000000000001", b"day=" + b"9" * 99,
           b"host=%00", b"host=%e2%80%ae'%22%20<>&gpu=all", b"host=" + b"%f0%9f%92%a9" * 400,
           b"layout=%00&kiosk=%ff&sort=__class__&order=%c3&filter=%00", b"filter=" + b"%f0%9f%92%a9" * 400]  # fmt: skip
HEADERS = [
    b"Host: evil.example", b"Host:", b"Host: a b", b"Host: \xff", b"Host: [::1", b"Host: 127.0.0.1:99999", b"Host: 127.0.0.1\x00",
    b"Host: x,y", b"Host: 127.0.0.1\r\nHost: evil.example", b"X-Forwarded-Host: \xff", b"X-Forwarded-For: ,,\xff",
    b"Content-Length: -1", b"Content-Length: abc", b"Content-Length: 0\r\nContent-Length: 1", b"Transfer-Encoding: nonsense",
    b"Content-Type: multipart/form-data\r\nContent-Length: 0", b"Content-Type: multipart/form-data; boundary=\xff",
    b"Content-Type: \xff; charset=%00", b"Content-Type: text/html; charset=nonsense", b"Content-Encoding: br",
    b"Cookie: \xff=\xff; ;;=", b"Cookie: sessionid=%00\xff; csrftoken=\x01", b"Cookie: " + b"a=b; " * 2000,
    b"Accept: \xff", b"Accept-Language: \xff-%00", b"Accept-Encoding: gzip;q=x,,;", b"Authorization: Basic \xff",
    b"If-Modified-Since: Mon, 99 Foo 99999 99:99:99 GMT", b"If-None-Match: \xff", b"If-Match: \"",
    b"Range: bytes=9-1", b"Range: bytes=a-b", b"Range: bytes=-", b"Range: bytes=99999999999-", b"Range: bytes=0-1,5-6",
    b"HX-Request: \xff", b"HX-Request: true\r\nHX-Current-URL: http://[", b"HX-Request: true\r\nHX-Current-URL: \xff",
    b"HX-Current-URL-URI-AutoEncoded: true\r\nHX-Current-URL: %ff", b"Origin: http://[", b"Origin: \xff", b"Referer: http://[",
    b"Daphne-Root-Path: \xff", b"Daphne-Root-Path: %00%0d%0aX: y", b"Daphne-Root-Path: //evil.example", b"X_Y: z",
    b"A\xff: b", b"A B: c", b"NoColon", b": x", b" folded: x", b"X: a\x00b", b"X: a\x0bb", b"X: " + b"a" * 20_000,
    b"Expect: 200", b"Upgrade: \xff", b"Upgrade: h2c\r\nHTTP2-Settings: \xff", b"Upgrade: websocket",
    b"Upgrade: websocket\r\nSec-WebSocket-Key: \xff\r\nSec-WebSocket-Version: 99",
    b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://[\xff",
]  # fmt: skip
NO_REQUESTS = [
    b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.\xff\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n", b"GET * HTTP/1.1\r\n\r\n", b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"\xff" * 99 + b"\r\n\r\n",
]  # fmt: skip


def known_paths(server: Server) -> list[bytes]:
    """Every address of the site and its sockets, a GPU's page, and one linked file of each kind from the first page."""
    linked = {re.sub(r"[^/]*$", "", path): path for path in re.findall(r'"(/[^"?#]+)"', server.get("/")[1])}
    assert {"/static/css/", "/static/js/", "/gpu/"} <= set(linked)
    found = [address.path for address in addresses()]
    found += ["/" + str(route.pattern).strip("^$") for route in routing.router().routes]
    return [path.encode() for path in sorted({*found, *linked.values(), "/static/", "/nothing"})]


def different_paths(server: Server) -> list[bytes]:
    """The known paths without most of the admin: without a login, its pages all redirect to the login or refuse a form."""
    return [path for path in known_paths(server) if not path.startswith(b"/admin/") or path in ADMIN]


def with_parts(path: bytes, turn: int) -> Iterator[bytes]:
    """Garbage instead of a parameter, and after the address. A third of it, another one at each turn, for pages of the admin:
    without a login, they all redirect to the login.
    """
    for part in PARTS[turn % 3 :: 3] if path.startswith(b"/admin/") and path not in ADMIN else PARTS:
        for placeholder in (f"/{PLACEHOLDER}/".encode(), f"/{UUID_PLACEHOLDER}/".encode()):
            if placeholder in path + b"/":
                yield (path + b"/").replace(placeholder, b"/" + part + b"/").removesuffix(b"/")
        yield path + part


def answers(server: Server, requests: Iterator[bytes]) -> dict[bytes, int]:
    """The status of each request. Asserts that the server is healthy afterwards and has logged no exception."""
    before = len(server.log)
    found = {sent: status_of(server, sent) for sent in requests}
    wait_for(lambda: server.health()["status"] == "ok", "it to be well")
    assert "Traceback" not in server.log[before:]
    return found


def broken(found: dict[bytes, int]) -> list[tuple[int, bytes]]:
    assert found
    return [(status, sent[:200]) for sent, status in found.items() if status >= 500]


def test_every_address_is_included() -> None:
    views: dict[str, object] = {}
    for address in addresses():
        views.setdefault(address.path, address.view)  # the first match answers: the admin's own login never does
    for path, view in views.items():
        assert resolve(path).func is view
    assert {"/", "/api/health", "/api/snapshot", "/admin/login/", "/admin/auth/user/1/change/"} <= views.keys()


def test_no_method_breaks_an_address(gpu_server: Server) -> None:
    paths = different_paths(gpu_server)
    found = answers(gpu_server, (request(path, method=method) for path in paths for method in METHODS))
    assert broken(found) == []


def test_no_path_breaks_an_address(gpu_server: Server) -> None:
    paths = enumerate(known_paths(gpu_server))
    found = answers(gpu_server, (request(odd) for turn, path in paths for odd in with_parts(path, turn)))
    assert broken(found) == []


def test_no_query_breaks_an_address(gpu_server: Server) -> None:
    paths = different_paths(gpu_server)
    found = answers(gpu_server, (request(path + b"?" + query) for path in paths for query in QUERIES))
    assert broken(found) == []


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_no_header_breaks_an_address(gpu_server: Server, method: bytes) -> None:
    # What reads a header stands before all addresses of a kind, and does not know them.
    paths = [path for path in different_paths(gpu_server) if path.startswith(OF_EACH_KIND) or path == b"/"]
    assert len(paths) >= len(OF_EACH_KIND)
    found = answers(gpu_server, (request(path, method=method, header=odd) for path in paths for odd in HEADERS))
    assert broken(found) == []


def test_no_query_breaks_a_socket(gpu_server: Server) -> None:
    odd = [
        *QUERIES,
        *(name + value for name in (b"view=", b"view=gpu:", b"hz=", b"host=", b"view=cards&host=") for value in PARTS),
    ]
    handshake = b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
    own = handshake + b"\r\nOrigin: " + gpu_server.url.encode()
    paths = (b"/ws/gpu", b"/ws/dashboard", b"/ws/%00", b"/ws/")
    found = answers(gpu_server, (request(path + b"?" + query, header=own) for path in paths for query in odd))
    assert broken(found) == []
    wait_for(lambda: not any(gpu_server.health()["clients"].values()), "the sockets to be gone")


def test_malformed_request_is_refused(gpu_server: Server) -> None:
    assert broken(answers(gpu_server, iter(NO_REQUESTS))) == []


@pytest.mark.parametrize("header", [b"Host: evil.example", b"Host:", b"Host: \xff"])
@pytest.mark.parametrize("path", [b"/", b"/api/health", b"/ws/gpu"])
def test_invalid_host_is_400_with_short_lines_in_the_log(gpu_server: Server, path: bytes, header: bytes) -> None:
    before = len(gpu_server.log)
    # Probes ask for health by any name.
    assert status_of(gpu_server, request(path, header=header)) == (200 if path == b"/api/health" else 400)
    assert all(len(line) < 300 for line in gpu_server.log[before:].splitlines())


@pytest.mark.parametrize("header", [b"Daphne-Root-Path: \xff", b"Daphne-Root-Path: //evil.example"])
def test_root_path_from_a_client_is_ignored(gpu_server: Server, header: bytes) -> None:
    before = len(gpu_server.log)
    assert status_of(gpu_server, request(b"/api/health", header=header)) == 200
    assert gpu_server.log[before:] == ""


def test_path_traversal_reaches_no_file(gpu_server: Server) -> None:
    for climb in (
        b"/static/../manage.py",
        b"/static/..%2f..%2fsecret_key",
        b"/static/%2e%2e/secret_key",
        b"/static//etc/passwd",
    ):
        assert status_of(gpu_server, request(climb)) == 404
