"""The user that a proxy names is believed from trusted proxies alone, however the header is spelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monitor.http.claims import FORWARDED, Claims, remote_user
from monitor.http.proxies import TrustedProxies

Headers = list[tuple[bytes, bytes]]


def seen(
    headers: Headers, *, client: str = "10.0.0.1", header: str | None = "remote-user", kind: str = "http"
) -> dict[str, Any]:
    """The scope as the application gets it; 10.0.0.1 is the proxy."""
    got: dict[str, Any] = {}

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        got.update(scope)

    async def nothing(*_: Any) -> Any:
        return {}

    scope = {"type": kind, "headers": headers, "client": (client, 1), "scheme": "http"}
    asyncio.run(Claims(TrustedProxies(app, ["10.0.0.1"]), header)(scope, nothing, nothing))
    return got


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_trusted_proxy_names_the_user(kind: str) -> None:
    scope = seen([(b"remote-user", b"mira"), (b"host", b"gpu01")], kind=kind)
    assert remote_user(scope) == "mira"
    assert scope["headers"] == [(b"host", b"gpu01")]


def test_a_header_that_goes_by_the_forwarded_ones_is_read_before_they_are_thrown_away() -> None:
    assert remote_user(seen([(b"x-forwarded-user", b"mira")], header="x-forwarded-user")) == "mira"


@pytest.mark.parametrize("client", ["10.0.0.2", "127.0.0.1", ""])
def test_nobody_else_does_and_the_header_goes_no_further(client: str) -> None:
    scope = seen([(b"Remote-User", b"admin"), (b"remote_user", b"admin")], client=client)
    assert remote_user(scope) == ""
    assert scope["headers"] == []


@pytest.mark.parametrize(
    "headers",
    [
        [(b"remote_user", b"admin")],
        [(b"remote-user", b"mira"), (b"remote_user", b"admin")],
        [(b"remote-user", b"mira"), (b"remote-user", b"admin")],
        [(b"remote-user", b"\xff\xfe")],
        [(b"remote-user", b"")],
    ],
)
def test_what_a_client_may_have_slipped_past_the_proxy_names_nobody(headers: Headers) -> None:
    assert remote_user(seen(headers)) == ""


def test_the_address_that_the_proxy_tells_of_need_not_be_trusted_itself() -> None:
    assert remote_user(seen([(b"remote-user", b"mira"), (b"x-forwarded-for", b"203.0.113.9")])) == "mira"


def test_without_the_setting_no_header_names_users() -> None:
    scope = seen([(b"remote-user", b"admin")], header=None)
    assert remote_user(scope) == ""


def test_a_scope_that_never_came_by_here_names_nobody() -> None:
    assert remote_user({}) == ""
    assert remote_user({"gpumon.claimed_user": "admin"}) == ""


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"X-Real-IP", b"forwarded"])
def test_that_a_proxy_asks_is_noted_whoever_it_is(name: bytes) -> None:
    assert seen([(name, b"127.0.0.1")], client="127.0.0.1")[FORWARDED] is True
    assert seen([], client="127.0.0.1")[FORWARDED] is False


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [(b"Bearer eyJhbGciOi.x.y", False), (b"Basic bWlyYTp4", False), (b"bearer gpumon_abc", True)],
)
def test_what_the_proxy_knows_a_user_by_is_taken_for_no_token_of_ours(given: bytes, is_kept: bool) -> None:
    """Oauth2-proxy can hand its own token on: pages came then, and whatever their scripts asked the API for was 401."""
    scope = seen([(b"remote-user", b"mira"), (b"Authorization", given)])
    assert remote_user(scope) == "mira"
    assert scope["headers"] == ([(b"Authorization", given)] if is_kept else [])
    assert seen([(b"authorization", given)])["headers"] == [(b"authorization", given)]
