"""Which X-Forwarded-… headers and usernames are trusted and what they set; the application never sees them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monitor.http.proxies import FORWARDED, PROXY, TrustedProxies, remote_user

Headers = list[tuple[bytes, bytes]]
TRUSTED = ("127.0.0.1", "10.0.0.0/24", "fd00::/64")
OF_EVERY_REQUEST: Headers = [(b"host", b"inside:5000"), (b"accept", b"*/*")]


def behind(
    headers: Headers,
    *,
    peer: str | None = "127.0.0.1",
    kind: str = "http",
    trusted: tuple[str, ...] = TRUSTED,
    user_header: str | None = "remote-user",
) -> dict[str, Any]:
    """The scope that the application sees."""
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    scope = {
        "type": kind,
        "scheme": "http" if kind == "http" else "ws",
        "client": None if peer is None else (peer, 4711),
        "headers": [*OF_EVERY_REQUEST, *headers],
    }
    layer = TrustedProxies(app, trusted, remote_user_header=user_header)
    asyncio.run(layer(scope, None, None))  # type: ignore[arg-type]
    assert len(seen) == 1
    answer: dict[str, Any] = seen[0]
    return answer


def forwarded_for(*values: str, **how: Any) -> str:
    client: str = behind([(b"x-forwarded-for", value.encode()) for value in values], **how)["client"][0]
    return client


def remaining(scope: dict[str, Any]) -> Headers:
    """The headers of this request that the application sees."""
    return [header for header in scope["headers"] if header not in OF_EVERY_REQUEST]


def host(scope: dict[str, Any]) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"host"]


ALL: Headers = [
    (b"x-forwarded-for", b"192.0.2.1"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"gpu.example.com"),
    (b"X-Forwarded-Port", b"1"),
    (b"x_forwarded_for", b"192.0.2.9"),
    (b"x-real-ip", b"192.0.2.1"),
    (b"forwarded", b"for=192.0.2.1"),
]


@pytest.mark.parametrize("order", [1, -1])
def test_client_cannot_bypass_the_proxy_with_another_spelling_of_a_header(order: int) -> None:
    """A proxy that replaces X-Forwarded-For may pass on X_Forwarded_For, after its own if it sorts headers."""
    given: Headers = [
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x_forwarded_for", b"127.0.0.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded_proto", b"http"),
        (b"x-forwarded-host", b"gpu.example.com"),
        (b"X_Forwarded_Host", b"evil.example"),
    ]
    scope = behind(given[::order])
    assert (scope["client"][0], scope["scheme"], host(scope)) == ("192.0.2.1", "https", [b"gpu.example.com"])
    assert behind(given[1::2])["client"] == ("127.0.0.1", 4711)


@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("websocket", "wss")])
def test_trusted_proxy_sets_client_scheme_and_host(kind: str, scheme: str) -> None:
    scope = behind(ALL[:4], kind=kind)
    assert (scope["client"], scope["scheme"], scope[PROXY]) == (("192.0.2.1", 0), scheme, True)
    assert host(scope) == [b"gpu.example.com"]


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/24",), ("unix",)])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_headers_from_other_peers_set_nothing(kind: str, trusted: tuple[str, ...]) -> None:
    scope = behind(ALL, kind=kind, trusted=trusted)
    assert (scope["client"], scope["scheme"], scope[PROXY]) == (
        ("127.0.0.1", 4711),
        "http" if kind == "http" else "ws",
        False,
    )
    assert host(scope) == [b"inside:5000"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.7"])
def test_headers_are_removed_from_every_request(peer: str) -> None:
    assert [name for name, _ in behind(ALL, peer=peer)["headers"] if name != b"host"] == [b"accept"]


def test_values_that_a_client_puts_before_the_proxys_are_not_trusted() -> None:
    assert forwarded_for("1.2.3.4, 192.0.2.1") == "192.0.2.1"
    assert forwarded_for("1.2.3.4", "192.0.2.1") == "192.0.2.1"


def test_chain_of_trusted_proxies_is_followed_to_the_first_ones_client() -> None:
    assert forwarded_for("1.2.3.4, 192.0.2.1, 10.0.0.5") == "192.0.2.1"
    assert forwarded_for("10.0.0.9, 10.0.0.5") == "10.0.0.9"


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("192.0.2.1:5060", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "127.0.0.1"),
        ("nonsense, 10.0.0.5", "10.0.0.5"),
    ],
)
def test_address_formats_of_proxies_are_read_and_invalid_ones_ignored(value: str, client: str) -> None:
    assert forwarded_for(value) == client


@pytest.mark.parametrize("value", ["unknown", "192.0.2.1, nonsense", "127.0.0.1", "::1", "127.0.0.1, 127.0.0.1"])
def test_no_header_makes_a_client_local(value: str) -> None:
    """Regression: what is local has no limits. A client that the proxy on this host does not name is unknown."""
    assert behind([(b"x-forwarded-for", value.encode())])["client"] is None


@pytest.mark.parametrize("value", ["127.0.0.1", "::1", "127.9.9.9", "192.0.2.1, 127.0.0.1", "::ffff:127.0.0.1"])
def test_loopback_of_another_host_is_not_believed(value: str) -> None:
    assert forwarded_for(value, peer="10.1.2.3", trusted=("10.0.0.0/8",)) == "10.1.2.3"


def test_local_proxy_in_front_of_the_trusted_one_is_followed() -> None:
    assert forwarded_for("192.0.2.1, 127.0.0.1") == "192.0.2.1"


def test_proxy_is_trusted_with_its_ipv4_mapped_address() -> None:
    assert forwarded_for("192.0.2.1", peer="::ffff:127.0.0.1") == "192.0.2.1"


@pytest.mark.parametrize("peer", [None, ""])
def test_unix_socket_is_trusted_by_its_own_name(peer: str | None) -> None:
    assert forwarded_for("192.0.2.1", peer=peer, trusted=("unix",)) == "192.0.2.1"
    assert not behind(ALL, peer=peer)[PROXY]


@pytest.mark.parametrize("proto", [b"gopher", b"", b"https, http"])
def test_scheme_comes_from_the_last_proxy_and_only_known_ones_count(proto: bytes) -> None:
    assert behind([(b"x-forwarded-proto", proto)])["scheme"] == "http"


def test_invalid_addresses_are_refused() -> None:
    with pytest.raises(ValueError):
        behind([], trusted=("proxy.example.com",))


def test_lifespan_passes_unchanged() -> None:
    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        assert scope == {"type": "lifespan"}

    asyncio.run(TrustedProxies(app, TRUSTED)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_trusted_proxy_sets_the_user(kind: str) -> None:
    scope = behind([(b"remote-user", b"mira"), (b"x-other", b"1")], kind=kind)
    assert remote_user(scope) == "mira"
    assert remaining(scope) == [(b"x-other", b"1")]


def test_username_header_named_like_a_forwarded_one_is_read() -> None:
    assert remote_user(behind([(b"x-forwarded-user", b"mira")], user_header="x-forwarded-user")) == "mira"


@pytest.mark.parametrize("peer", ["192.0.2.7", "127.0.0.2", ""])
def test_username_header_from_other_peers_is_ignored_and_removed(peer: str) -> None:
    scope = behind([(b"Remote-User", b"admin"), (b"remote_user", b"admin")], peer=peer)
    assert remote_user(scope) == ""
    assert remaining(scope) == []


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
def test_username_headers_that_a_client_may_have_added_are_ignored(headers: Headers) -> None:
    assert remote_user(behind(headers)) == ""


def test_client_behind_the_proxy_need_not_be_trusted_itself() -> None:
    assert remote_user(behind([(b"remote-user", b"mira"), (b"x-forwarded-for", b"203.0.113.9")])) == "mira"


def test_username_header_is_ignored_without_the_setting() -> None:
    assert remote_user(behind([(b"remote-user", b"admin")], user_header=None)) == ""


def test_scope_that_bypassed_the_layer_has_no_user() -> None:
    assert remote_user({}) == ""
    assert remote_user({"gpumon.proxy_user": "admin"}) == ""


@pytest.mark.parametrize("trusted", [(), TRUSTED])
@pytest.mark.parametrize("name", [b"x-forwarded-for", b"X-Real-IP", b"forwarded"])
def test_request_through_any_proxy_is_marked_as_forwarded(name: bytes, trusted: tuple[str, ...]) -> None:
    assert behind([(name, b"127.0.0.1")], trusted=trusted)[FORWARDED] is True
    assert behind([], trusted=trusted)[FORWARDED] is False


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [(b"Bearer eyJhbGciOi.x.y", False), (b"Basic bWlyYTp4", False), (b"bearer gpumon_abc", True)],
)
def test_token_of_the_proxy_is_not_treated_as_one_of_ours(value: bytes, is_kept: bool) -> None:
    """oauth2-proxy can pass its own token on: pages loaded, but each API request of their scripts got 401."""
    scope = behind([(b"remote-user", b"mira"), (b"Authorization", value)])
    assert remote_user(scope) == "mira"
    assert remaining(scope) == ([(b"Authorization", value)] if is_kept else [])
    assert remaining(behind([(b"authorization", value)])) == [(b"authorization", value)]
