"""Users named by a proxy in a header; the same header from any other client; limits by the client address the proxy reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.servers import Server, wait_for
from tests.support.sockets import connect, end_of

pytestmark = pytest.mark.slow


def start(folder: object, **settings: object) -> Server:
    server = Server(folder, telemetry_provider="simulated", simulated_gpus=1, **settings).start()  # type: ignore[arg-type]
    wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
    return server


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts the proxy at 127.0.0.1, the address of these tests."""
    server = start(
        tmp_path_factory.mktemp("proxied"),
        trusted_proxies="127.0.0.1",
        remote_user_header="X-Forwarded-User",
        max_sockets_per_address=2,
    )
    yield server
    server.stop()


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts another address, so that these tests are untrusted."""
    server = start(tmp_path_factory.mktemp("far"), trusted_proxies="10.0.0.1", remote_user_header="X-Forwarded-User")
    yield server
    server.stop()


def get(server: Server, path: str, **headers: str) -> requests.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(server.url + path, headers=given, allow_redirects=False, timeout=40)


def feed(server: Server, **headers: str) -> ClientConnection:
    return connect(
        f"{server.ws}/ws/gpu", additional_headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def users(server: Server) -> dict[str, str]:
    """The accounts, and the group of each."""
    return dict(
        server.sql(
            "SELECT username, auth_group.name FROM auth_user LEFT JOIN auth_user_groups ON user_id = auth_user.id "
            "LEFT JOIN auth_group ON auth_group.id = group_id"
        )
    )


def test_user_named_by_the_proxy_is_a_viewer_from_the_first_request(proxied: Server) -> None:
    for _ in range(2):
        answer = get(proxied, "/", X_Forwarded_User="mira")
        assert answer.status_code == 200
        assert "Logged in as </span>mira<" in answer.text
        assert not any("session" in name for name in list(answer.cookies.get_dict()))
    assert get(proxied, "/api/snapshot", X_Forwarded_User="mira").status_code == 200
    assert get(proxied, "/").status_code == 302
    assert users(proxied)["mira"] == "viewers"
    with feed(proxied, X_Forwarded_User="mira") as client:
        assert client.recv(timeout=40)
    with pytest.raises(InvalidStatus), feed(proxied):
        pass


def test_foreign_bearer_token_of_the_proxy_is_ignored(proxied: Server) -> None:
    given = {"X_Forwarded_User": "mira", "Authorization": "Bearer eyJhbGciOi.x.y"}
    assert get(proxied, "/api/snapshot", **given).status_code == 200
    with feed(proxied, **given) as client:
        assert client.recv(timeout=40)
    ours = get(proxied, "/api/snapshot", X_Forwarded_User="mira", Authorization="Bearer gpumon_x")
    assert (ours.status_code, ours.json()["error"]) == (401, "The token is not known.")


def test_proxy_cannot_admit_a_disabled_account(proxied: Server) -> None:
    assert get(proxied, "/", X_Forwarded_User="gone").status_code == 200
    with feed(proxied, X_Forwarded_User="gone", X_Forwarded_For="203.0.113.50") as client:
        proxied.sql("UPDATE auth_user SET is_active = 0 WHERE username = 'gone'")
        wait_for(lambda: get(proxied, "/", X_Forwarded_User="gone").status_code == 302, "the account to be refused")
        assert end_of(client) == (4001, "the account is disabled")


@pytest.mark.parametrize("spelled", ["X-Forwarded-User", "x_forwarded_user", "X-Forwarded_User"])
def test_header_from_an_untrusted_client_is_ignored(far: Server, spelled: str) -> None:
    given = {spelled: "admin", "X-Forwarded-For": "10.0.0.1"}
    for path, status in (("/", 302), ("/api/snapshot", 401), ("/admin/", 302)):
        answer = requests.get(far.url + path, headers=given, allow_redirects=False, timeout=40)
        assert answer.status_code == status
    with pytest.raises(InvalidStatus), connect(f"{far.ws}/ws/gpu", additional_headers=given):
        pass
    assert users(far) == {}


def test_client_cannot_smuggle_a_second_name_past_the_proxy(proxied: Server) -> None:
    """Daphne itself drops header names with an underscore; tests/http/test_proxies.py covers servers that do not."""
    given = {"X-Forwarded-User": "mira", "X_Forwarded_User": "root"}
    answer = requests.get(f"{proxied.url}/", headers=given, allow_redirects=False, timeout=40)
    assert "root" not in answer.text
    assert "root" not in users(proxied)


def test_sockets_are_limited_by_the_address_that_the_proxy_reports(proxied: Server) -> None:
    one = {"X_Forwarded_User": "mira", "X_Forwarded_For": "203.0.113.7"}
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(feed(proxied, **one))
        with pytest.raises(InvalidStatus), feed(proxied, **one):
            pass
        held.enter_context(feed(proxied, **{**one, "X_Forwarded_For": "203.0.113.8"}))
    assert "203.0.113.7 has 2 open sockets, the limit of GPU_MONITOR_MAX_SOCKETS_PER_ADDRESS" in proxied.log
    wait_for(lambda: _opens(proxied, one), "the closed ones to count no longer")


def _opens(server: Server, headers: dict[str, str]) -> bool:
    try:
        with feed(server, **headers):
            return True
    except InvalidStatus:
        return False


def test_loopback_server_behind_an_unconfigured_proxy_asks_for_a_login(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = start(tmp_path_factory.mktemp("untold"))
    try:
        assert get(server, "/").status_code == 200
        assert get(server, "/", X_Forwarded_For="127.0.0.1").status_code == 302
        with pytest.raises(InvalidStatus), feed(server, X_Real_IP="127.0.0.1"):
            pass
    finally:
        server.stop()
