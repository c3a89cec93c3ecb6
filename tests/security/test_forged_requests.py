"""Forged requests: every address refuses a POST without a CSRF token and a host name that is not ours."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
import requests

from monitor.http.hosts import HEALTH
from monitor.http.program_paths import is_for_programs
from tests.support.servers import Server
from tests.support.site_addresses import addresses

pytestmark = pytest.mark.slow

PATHS = sorted({address.path for address in addresses()})


def token_of(root: requests.Session, server: Server) -> str:
    found = re.search(
        r'name="csrfmiddlewaretoken" value="([^"]+)"', root.get(f"{server.url}/admin/auth/user/1/change/").text
    )
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_post_without_a_csrf_token_changes_nothing(
    server: Server, root: requests.Session, path: str, method: str
) -> None:
    """403 for a logged-in user with no token or a wrong one; the API allows no such method at all. Who is logged in already has
    nothing to log in to, and is led on.
    """
    for forged in ({}, {"csrfmiddlewaretoken": "a" * 64})[: 2 if method == "POST" else 1]:
        answer = root.request(method, server.url + path, data=forged, allow_redirects=False, timeout=40)
        # A form that was open while its user logged in elsewhere: led on from the login, asked again about the snooze.
        is_led_on = method == "POST" and (path in ("/login", "/admin/login/") or path.endswith("/snooze"))
        harmless = 405 if is_for_programs(path) else 426 if path.startswith("/ws/") else 302 if is_led_on else 403
        assert answer.status_code == harmless
        assert not answer.cookies


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
@pytest.mark.parametrize(
    "path", ["/login", "/logout", "/account/password", "/admin/auth/user/add/", "/admin/monitor/channel/add/"]
)
def test_valid_token_from_another_origin_is_refused(
    server: Server, root: requests.Session, path: str, origin: str
) -> None:
    """As a page would send it that has stolen a token."""
    given = {"csrfmiddlewaretoken": token_of(root, server)}
    answer = root.post(server.url + path, given, headers={"Origin": origin}, allow_redirects=False, timeout=40)
    assert answer.status_code == 403


HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "127.0.0.1@evil.example",
    "[::ffff:7f00:1]",
]


@pytest.mark.parametrize("path", sorted({*PATHS} - {HEALTH}))
def test_no_address_answers_under_a_foreign_host_name(server: Server, root: requests.Session, path: str) -> None:
    for host in HOSTS[:2]:
        answer = root.get(server.url + path, headers={"Host": host}, allow_redirects=False, timeout=40)
        assert answer.status_code == 400, host
        assert "evil" not in str(answer.headers)


@pytest.mark.parametrize("host", [*HOSTS, "10.42.8.201:5000", "[fd00::8]:5000", "", "a b", "\xff"])
def test_health_is_answered_to_probes_that_ask_by_any_address_with_its_status_word(server: Server, host: str) -> None:
    """Kubernetes and load balancers use the address of the pod. Only the word: another site can have pointed its name here."""
    answer = requests.get(server.url + HEALTH, headers={"Host": host.encode("latin-1")}, timeout=40)
    assert (answer.status_code, answer.text) == (200, '{"status":"ok"}')


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/", "/login", "/api/snapshot", "/admin/"])
def test_odd_host_names_are_refused(server: Server, path: str, host: str) -> None:
    answer = requests.get(server.url + path, headers={"Host": host}, allow_redirects=False, timeout=40)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-Host",
        "X-Host",
        "Forwarded",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
    ],
)
def test_host_names_in_other_headers_are_ignored(server: Server, root: requests.Session, header: str) -> None:
    value = (
        "host=evil.example"
        if header == "Forwarded"
        else "/evil.example"
        if "URL" in header or "Prefix" in header
        else "evil.example"
    )
    for path in ("/", "/login", "/admin/", "/alerts", "/api/health"):
        for visitor in (requests.Session(), root):
            answer = visitor.get(server.url + path, headers={header: value}, allow_redirects=False, timeout=40)
            assert answer.status_code < 400
            assert "evil.example" not in answer.text + str(answer.headers)


TARGETS = [
    "//evil.example",
    "http://evil.example/",
    "\\\\evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "https:evil.example",
    "%0d%0aX: y",
]


@pytest.mark.parametrize(("login", "to"), [*(("/login", to) for to in TARGETS), ("/admin/login/", TARGETS[0])])
@pytest.mark.usefixtures("root")
def test_login_redirects_to_no_other_site(server: Server, login: str, to: str) -> None:
    """Both addresses have the same view."""
    name, password = "root", "correct horse battery"
    visitor = requests.Session()
    page = visitor.get(server.url + login, params={"next": to}).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    given = {"username": name, "password": password, "csrfmiddlewaretoken": token[1], "next": to}
    answer = visitor.post(server.url + login, given, allow_redirects=False)
    assert answer.status_code == 302
    assert urljoin(server.url, answer.headers["Location"]).startswith(f"{server.url}/")
    assert "\r" not in answer.headers["Location"]
