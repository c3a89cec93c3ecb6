"""Every address and every socket, requested by every kind of client. The addresses come from the URL configuration: a new view
fails the tests until its row is added here.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

import pytest
import requests
from django.urls import URLPattern, URLResolver, get_resolver
from websockets.exceptions import ConnectionClosed, InvalidStatus

from monitor.fleet.protocol import Hello, Refused, decode_from_hub, encode
from monitor.sanitize import plain
from monitor.web import routing
from tests.support.people import Made, csrf_cookie_name, log_in, make_people
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow

OPEN = {
    "login": "the page that takes passwords",
    "admin/login/": "the same, where the admin looks for it",
    "setup": "the link in the log is the key; any other is answered 404",
    "wrong-link": "a read-only link with a wrong signature is answered 404",
    "snooze": "the key in the link of a message is enough for little; without it, a login with the permission is needed",
    "plain-socket": "plain HTTP for a socket's address is always 426, with the reason",
    "health": "container engines and load balancers ask it; they are told a word",
    "manifest": "the login page links to it; only viewers get the name of the host",
    "badge": "an image cannot show a login page: without a login it says that one is required",
}
"""The names, or routes, of the views that need no login, each with the reason."""
PAGES = {
    "dashboard", "free", "gpu", "host", "host-gpu", "history", "usage", "ribbons", "who", "alerts", "alert", "password", "logout",
}  # fmt: skip
API = {
    "api-alerts",
    "api-free",
    "config",
    "api-history",
    "api-hosts",
    "api-usage",
    "api-usage-processes",
    "snapshot",
    "schema",
    "openapi",
}
BY_LINK = {
    "dashboard", "free", "gpu", "host", "host-gpu", "history", "ribbons", "who", "alerts", "alert", "plain-socket",
    "api-alerts", "api-history", "api-hosts", "snapshot", "badge", "manifest",
}  # fmt: skip
"""What a read-only link opens. Everything else is answered 404 below it."""
OWN_OF_STAFF = {"index", "logout", "password_change", "password_change_done", "jsi18n", "app_list", "view_on_site"}
"""The admin's pages for all staff."""
NOBODY_MAY = {
    ("", "autocomplete"),  # without the parameters that name a field
    ("alertevent", "add"),
    ("delivery", "add"),
    ("seengpu", "add"),
    ("seengpu", "delete"),
    ("sitesettings", "add"),
    ("sitesettings", "delete"),
}
"""Rows written only by the engine and the sampler, and the single row of settings."""
OPERATOR_SEES = {"alertrule", "alertevent", "sitesettings", "delivery", "apitoken"}
PEOPLE = ("viewer", "operator", "manager", "administrator")
"""`manager` is in the group of administrators, `administrator` a superuser."""
TOKENS = ("read", "acknowledge", "metrics", "revoked", "expired")
NOBODY = ("anonymous", "spoofed")
POSTED = {
    "acknowledge",
    "snooze",
    "monitor_apitoken_revoke",
    "monitor_fleethost_replace",
    "monitor_viewlink_revoke",
    "monitor_channel_test",
    "monitor_alertrule_preview",
}
"""Views that change something, or process what is sent. (The token and the link with id 1 are already revoked.)"""
SAMPLES = {
    "uuid": "GPU-none",
    "event_id": str(UUID(int=1)),
    "token": "x" * 43,
    "object_id": "1",
    "content_type_id": "1",
    "id": "1",
    "name": "dashboard",
    "rest": "wrong",
    "host": plain(socket.gethostname()),
}


class Address(NamedTuple):
    """One pattern of the URL configuration."""

    route: str
    name: str
    """Of the view; the route if the view has none."""

    @property
    def is_admin(self) -> bool:
        return self.route.startswith("admin/") and self.name not in OPEN and self.route not in OPEN

    @property
    def path(self) -> str:
        """A path that matches the pattern."""
        path = re.sub(r"\(\?P<app_label>[^)]*\)", "monitor", self.route).replace("(?P<url>.*)", "nothing")
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: SAMPLES[found[1]], path).replace("^", "").replace(
            "$", ""
        )


def addresses(patterns: list[Any] | None = None, before: str = "") -> Iterator[Address]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield Address(route, pattern.name if pattern.name and route != "admin/login/" else route)


ADDRESSES = sorted(set(addresses()))


def expected(address: Address, who: str, *, needs_login: bool) -> str:
    """allowed, login (redirected to the login page), 401, 403, or status (only the status word, for /api/health)."""
    is_token, is_known = who in TOKENS, who in PEOPLE
    name = address.name
    if address.is_admin:
        return _of_admin(address, who, needs_login=needs_login)
    if name in ("health", "badge"):
        if is_token:
            return {"read": "allowed", "revoked": "401", "expired": "401"}.get(who, "403")
        return "allowed" if is_known or not needs_login else {"health": "status", "badge": "401"}[name]
    if name == "snooze":
        return {"viewer": "403"}.get(who, "allowed") if is_known else "login"
    if name in OPEN or address.route in OPEN:
        return "allowed"
    if name == "acknowledge":
        if is_token:
            return {"acknowledge": "allowed", "revoked": "401", "expired": "401"}.get(who, "403")
        return {"viewer": "403"}.get(who, "allowed") if is_known else "login"
    if name in API | {"metrics"}:
        if is_token:
            scope = "metrics" if name == "metrics" else "read"
            return {scope: "allowed", "revoked": "401", "expired": "401"}.get(who, "403")
        return "allowed" if is_known or not needs_login else "401"
    assert name in PAGES, f"{address}: write here who may open it"
    # A token opens no page: a client with a token is as anonymous there as one without.
    return "allowed" if is_known or not (needs_login or name == "password") else "login"


def _of_admin(address: Address, who: str, *, needs_login: bool) -> str:
    found = re.fullmatch(r"(monitor|auth)_(\w+?)_(\w+)", address.name)
    app, model, page = found.groups() if found else ("", "", address.name)
    if who in ("administrator", "manager"):
        # The administrators group manages gpumon; only a superuser manages accounts.
        is_forbidden = (model, page) in NOBODY_MAY or (who == "manager" and app == "auth")
        return "403" if is_forbidden else "allowed"
    if who != "operator":
        # The admin's own logout redirects a user who is not staff to its first page, which then asks for a login.
        return "allowed" if address.name == "logout" and (who in PEOPLE or not needs_login) else "login"
    if (not app and page in OWN_OF_STAFF) or address.name == address.route:
        return "allowed"
    is_seen = model in OPERATOR_SEES and page in ("changelist", "change", "history")
    is_own = (model, page) in {("apitoken", "add"), ("apitoken", "revoke")}
    return "allowed" if is_seen or is_own else "403"


def outcome(answer: requests.Response) -> str:
    if answer.status_code == 302 and re.match(r"(/login|/admin/login/)(\?|$)", answer.headers["Location"]):
        return "login"
    if answer.status_code in (401, 403):
        return str(answer.status_code)
    assert answer.status_code < 500 or answer.status_code == 503, (answer.url, answer.status_code)
    if answer.url.endswith("/api/health") and answer.json().keys() == {"status"}:
        return "status"
    return "allowed"


# ── Two servers ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Site(NamedTuple):
    server: Server
    made: Made
    needs_login: bool
    csrf_cookie: str
    """Its name."""
    logged_in: dict[str, requests.Session]
    """A session of each of PEOPLE."""


@pytest.fixture(scope="module", params=["login", "auto"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Once everyone must log in; once the default, where no local viewer must."""
    folder = tmp_path_factory.mktemp(request.param)
    server = Server(folder, auth=request.param, telemetry_provider="simulated", simulated_gpus=1).start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        made = make_people(server)
        logged_in = {who: log_in(server, who) for who in PEOPLE}
        yield Site(server, made, request.param == "login", csrf_cookie_name(server), logged_in)
    finally:
        server.stop()


def browser_of(site: Site, who: str) -> requests.Session:
    if who in PEOPLE:
        return site.logged_in[who]
    browser = requests.Session()
    if who in TOKENS:
        browser.headers["Authorization"] = f"Bearer {site.made.tokens[who]}"
    if who == "spoofed":
        browser.headers.update({"Remote-User": "administrator", "X-Remote-User": "administrator"})
    return browser


def ask(site: Site, browser: requests.Session, address: Address) -> requests.Response:
    url = site.server.url + address.path.replace(SAMPLES["event_id"], site.made.event)
    if address.name not in POSTED:
        return browser.get(url, allow_redirects=False, timeout=40)
    # With the data that a browser's form would send.
    token = "t" * 32
    browser.cookies.set(site.csrf_cookie, token)
    return browser.post(url, {"csrfmiddlewaretoken": token}, allow_redirects=False, timeout=40)


@pytest.mark.parametrize("who", [*NOBODY, *PEOPLE, *TOKENS])
def test_every_address_answers_each_client_as_this_table_says(site: Site, who: str) -> None:
    browser = browser_of(site, who)
    wrong = []
    # A token opens no page: one kind of token at the hundred addresses of the admin shows that as well as five.
    for address in [each for each in ADDRESSES if not (each.is_admin and who in TOKENS[1:])]:
        wanted = expected(address, who, needs_login=site.needs_login)
        answer = ask(site, browser, address)
        got = outcome(answer)
        if got != wanted:
            wrong.append(f"{address.route} ({answer.status_code}): {got}, wanted {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", ["anonymous", "administrator"])
def test_read_only_link_opens_exactly_the_pages_listed_here_whoever_is_logged_in(site: Site, who: str) -> None:
    browser = browser_of(site, who)
    wrong = []
    for address in ADDRESSES:
        below = address._replace(route=site.made.link.removeprefix("/") + address.route)
        answer = ask(site, browser, below)
        # A view that exists answers a missing GPU in words of its own.
        is_open = answer.status_code != 404 or not re.search(r"This page does not exist|Unknown endpoint", answer.text)
        if is_open != (address.name in BY_LINK):
            wrong.append(f"{address.route} ({answer.status_code})")
    assert not wrong, "\n".join(wrong)


def test_views_without_a_login_are_exactly_those_listed_here() -> None:
    found = {
        address.name if address.name in OPEN else address.route for address in ADDRESSES if not _asks_for_login(address)
    }
    assert found == set(OPEN)


def _asks_for_login(address: Address) -> bool:
    view = get_resolver().resolve(address.path).func
    return bool(getattr(view, "login_required", True))


def test_every_row_names_an_existing_view() -> None:
    names = {address.name for address in ADDRESSES}
    assert PAGES | API | OWN_OF_STAFF | set(OPEN) <= names


def test_refused_token_is_explained(site: Site) -> None:
    for who, told in (("revoked", "revoked"), ("expired", "expired")):
        answer = browser_of(site, who).get(f"{site.server.url}/api/snapshot", timeout=40)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="gpumon", error="invalid_token"')
        assert told in answer.json()["error"]


# ── Sockets ───────────────────────────────────────────────────────────────────────────────────────────────────────────

SOCKETS = {r"^ws/gpu\Z": "feed", r"^ws/dashboard\Z": "page", r"^ws/agent\Z": "agents", "": "none"}


def test_every_socket_has_a_row_here() -> None:
    assert {route.pattern.regex.pattern for route in routing.router().routes} == set(SOCKETS)


def headers_of(browser: requests.Session) -> dict[str, str]:
    """What identifies this browser or program in a handshake."""
    headers = {name: str(value) for name, value in browser.headers.items() if name in ("Authorization", "Remote-User")}
    if browser.cookies:
        headers["Cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    return headers


def _socket(site: Site, browser: requests.Session, path: str, origin: str | None) -> str:
    headers = headers_of(browser)
    try:
        with connect(site.server.ws + path, origin=origin, additional_headers=headers) as client:
            assert client.recv(timeout=40)
            return "allowed"
    except InvalidStatus as refused:
        return "refused" if refused.response.status_code == 403 else str(refused.response.status_code)


@pytest.mark.parametrize("who", [*NOBODY, *PEOPLE, *TOKENS])
def test_every_socket_admits_exactly_the_clients_listed_here(site: Site, who: str) -> None:
    known = who in PEOPLE or not site.needs_login
    may_read = {"read": True, "acknowledge": False, "metrics": False, "revoked": False, "expired": False}.get(
        who, known
    )
    browser = browser_of(site, who)
    own, foreign = site.server.url, "http://evil.example"
    assert _socket(site, browser, "/ws/gpu", None) == ("allowed" if may_read else "refused")
    assert _socket(site, browser, "/ws/gpu", own) == ("allowed" if may_read else "refused")
    assert _socket(site, browser, "/ws/gpu", foreign) == "refused"
    assert _socket(site, browser, "/ws/dashboard", own) == ("allowed" if known else "refused")
    assert _socket(site, browser, "/ws/dashboard", None) == "refused"
    assert _socket(site, browser, "/ws/dashboard", foreign) == "refused"
    assert _socket(site, browser, "/ws/nothing", own) == "refused"
    host = quote(SAMPLES["host"])
    assert _socket(site, browser, f"/ws/dashboard?host={host}", own) == ("allowed" if known else "refused")
    assert _socket(site, browser, "/ws/dashboard?view=hosts%3Fgroup%3Dtag", own) == ("allowed" if known else "refused")
    assert _socket(site, browser, "/ws/dashboard?host=nowhere", own) in (("refused", "404") if known else ("refused",))


@pytest.mark.parametrize("who", [*NOBODY, *PEOPLE, *TOKENS])
def test_socket_of_agents_admits_nobody_without_an_agents_key(site: Site, who: str) -> None:
    """No login and no API token counts there: the hello is answered by a refusal, and nothing else comes."""
    hello = Hello(protocol=1, version="0.1.0", host_id="ab" * 16, host="gpu01", sent_at=1.0)
    headers = headers_of(browser_of(site, who))
    for prefix in ("", site.made.link.removesuffix("/")):
        with connect(f"{site.server.ws}{prefix}/ws/agent", additional_headers=headers) as client:
            client.send(encode(hello))
            answer = decode_from_hub(bytes(client.recv(timeout=40, decode=False)))
            assert isinstance(answer, Refused)
            assert answer.code == ("unknown_key" if "Authorization" in headers else "no_code")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=40)


def test_read_only_link_opens_the_socket_of_pages_alone(site: Site) -> None:
    link, own, foreign = site.made.link, site.server.url, "http://evil.example"
    assert _socket(site, browser_of(site, "anonymous"), f"{link}ws/dashboard", own) == "allowed"
    assert _socket(site, browser_of(site, "anonymous"), f"{link}ws/dashboard", foreign) == "refused"
    assert _socket(site, browser_of(site, "anonymous"), f"{link}ws/dashboard", None) == "refused"
    assert _socket(site, browser_of(site, "read"), f"{link}ws/gpu", own) == "refused"
