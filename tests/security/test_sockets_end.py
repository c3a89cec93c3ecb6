"""An open socket ends within seconds of its session or token becoming invalid, and the close reason says why."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.people import PASSWORD, Made, cookie, log_in, make_people, submit
from tests.support.servers import Server, password_hash, wait_for
from tests.support.sockets import connect, end_of

pytestmark = pytest.mark.slow
ENDED = 4001


class Site(NamedTuple):
    server: Server
    made: Made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on which everyone must log in."""
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder, auth="login", telemetry_provider="simulated", simulated_gpus=1).start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield Site(server, make_people(server))
    finally:
        server.stop()


def page(site: Site, browser: requests.Session, session: str = "") -> ClientConnection:
    session = session or "=".join(cookie(browser, "session"))
    return connect(
        f"{site.server.ws}/ws/dashboard",
        origin=site.server.url,
        additional_headers={"Cookie": session},
    )


def feed(site: Site, token: str) -> ClientConnection:
    given = {"Authorization": f"Bearer {site.made.tokens[token]}"}
    return connect(f"{site.server.ws}/ws/gpu", additional_headers=given)


def test_logout_ends_only_that_sessions_sockets(site: Site) -> None:
    here, elsewhere = log_in(site.server, "viewer"), log_in(site.server, "viewer")
    session = "=".join(cookie(here, "session"))
    with page(site, here) as first, page(site, here) as second, page(site, elsewhere) as stays:
        assert submit_logout(site, here) == 302
        assert [end_of(first), end_of(second)] == [(ENDED, "logged out")] * 2
        assert stays.recv(timeout=40)
    with pytest.raises(InvalidStatus), page(site, here, session):
        pass


def submit_logout(site: Site, browser: requests.Session) -> int:
    token = cookie(browser, "csrf")[1]
    answer = browser.post(
        f"{site.server.url}/logout", {"csrfmiddlewaretoken": token}, allow_redirects=False, timeout=40
    )
    return answer.status_code


def test_revoked_token_ends_its_sockets(site: Site) -> None:
    boss = log_in(site.server, "administrator")
    listing = f"{site.server.url}/admin/monitor/apitoken/"
    with feed(site, "read") as client:
        assert client.recv(timeout=40)
        ((pk,),) = site.server.sql("SELECT id FROM monitor_apitoken WHERE name = 'read'")
        answer = submit(boss, listing, action="revoke_chosen", _selected_action=str(pk))
        assert answer.status_code == 302
        assert end_of(client) == (ENDED, "The token has been revoked.")
    with pytest.raises(InvalidStatus), feed(site, "read"):
        pass


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE auth_user SET is_active = 0 WHERE username = 'viewer'", "the account is disabled"),
        ("UPDATE auth_user SET password = 'another' WHERE username = 'viewer'", "the password was changed"),
        ("DELETE FROM django_session", "logged out"),
    ],
)
def test_change_by_another_process_is_noticed(site: Site, statement: str, reason: str) -> None:
    with page(site, log_in(site.server, "viewer")) as client:
        assert client.recv(timeout=40)
        site.server.sql(statement)
        assert end_of(client) == (ENDED, reason)
    restore = "UPDATE auth_user SET is_active = 1, password = ? WHERE username = 'viewer'"
    site.server.sql(restore, password_hash(PASSWORD))


def test_expired_token_ends_its_sockets(site: Site) -> None:
    with feed(site, "commands_of_manager") as client:
        site.server.sql(
            "UPDATE monitor_apitoken SET expires_at = datetime('now', '+2 seconds') WHERE owner_id = "
            "(SELECT id FROM auth_user WHERE username = 'manager')"
        )
        assert end_of(client) == (ENDED, "The token has expired.")


def test_refused_handshake_under_uvicorn_says_how_to_authenticate_or_when_to_retry(tmp_path: Path) -> None:
    """Daphne can only send 403; uvicorn sends the whole response."""
    command = [sys.executable, "-m", "uvicorn", "gpumon_site.asgi:application", "--port", "{port}"]
    server = Server(tmp_path, command=command, auth="login", max_sockets=1, telemetry_provider="simulated").start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        site = Site(server, make_people(server))
        with pytest.raises(InvalidStatus) as unknown, connect(f"{server.ws}/ws/gpu"):
            pass
        assert unknown.value.response.status_code == 401
        assert unknown.value.response.headers["WWW-Authenticate"] == 'Bearer realm="gpumon"'
        with feed(site, "read") as client:
            with pytest.raises(InvalidStatus) as too_many, feed(site, "read"):
                pass
            assert too_many.value.response.status_code == 429
            assert too_many.value.response.headers["Retry-After"] == "30"
            server.sql("UPDATE auth_user SET is_active = 0 WHERE username = 'operator'")
            assert end_of(client) == (ENDED, "the account is disabled")
    finally:
        server.stop()
