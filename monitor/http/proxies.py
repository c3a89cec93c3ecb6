"""The client behind a proxy: `X-Forwarded-*` and the user's name are trusted only from GPU_MONITOR_TRUSTED_PROXIES.

The servers' own switches are not enough: daphne's `--proxy-headers` trusts everyone, uvicorn's trusts any client from 127.0.0.1
unless configured otherwise, and neither reads X-Forwarded-Host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

from monitor.http.asgi_types import App, Receive, Scope, Send

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""Any client of a Unix socket, which has no address. The file mode of the socket decides who can connect."""
PROXY = "gpumon.proxy"
"""Key of the scope (`request.scope` in a view): whether the request came from a trusted proxy. Other headers that only a proxy
may set are trusted only if this is True."""
FORWARDED = "gpumon.forwarded"
"""Key of the scope: whether the request has a proxy's header, even from an untrusted client."""
REPORTED = "gpumon.reported"
"""Key of the scope: what a trusted proxy reports beyond client, scheme and host; absent without one."""
_USER = "gpumon.proxy_user"
_NAME_A_CLIENT = frozenset({b"x-forwarded-for", b"x-real-ip", b"forwarded"})
_SECURE = {"http": False, "ws": False, "https": True, "wss": True}
_SCHEMES = {"http": ("http", "https"), "websocket": ("ws", "wss")}
_PORT_NUMBER = re.compile(r"[0-9]{1,5}")
_PORT = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<four>[^:]+))(?::\d{1,5})?")


class Reported(NamedTuple):
    """What a trusted proxy reports about the address under which the browser sent the request."""

    has_scheme: bool = False
    """The scheme of the scope is the browser's."""
    port: int | None = None
    """X-Forwarded-Port: many proxies pass on the host without its port."""


def network(text: str) -> Network:
    """An address or a network, such as 10.0.0.7 or 10.0.0.0/24. Raises ValueError, also for bits beyond the mask."""
    return ipaddress.ip_network(text)


def remote_user(scope: Scope) -> str:
    """The user that a trusted proxy has logged in, or an empty string. `scope`: as TrustedProxies passes it on."""
    return str(scope[_USER]) if scope.get(PROXY) is True and _USER in scope else ""


class TrustedProxies:
    """ASGI middleware: sets client address, scheme, host and user as a trusted proxy reports them, and removes the headers that
    report them from every request, so that the application cannot trust them by mistake.
    """

    def __init__(self, app: App, trusted: Iterable[str], *, remote_user_header: str | None = None) -> None:
        """`trusted`: addresses and networks, or `unix`; raises ValueError for anything else.

        `remote_user_header`: in lower case, or None if no header names users.
        """
        names = set(trusted)
        self._app = app
        self._trusts_unix = UNIX in names
        self._networks = tuple(network(name) for name in names - {UNIX})
        self._user_header = None if remote_user_header is None else remote_user_header.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in _SCHEMES:
            scope = self._resolved(scope)
        await self._app(scope, receive, send)

    def _resolved(self, scope: Scope) -> Scope:
        reported: dict[bytes, list[str]] = {}
        users: list[tuple[bytes, bytes]] = []
        headers, is_forwarded = [], False
        for name, value in scope["headers"]:
            lower = bytes(name.lower())
            # Django would read Remote_User as the same variable as Remote-User.
            plain = lower.replace(b"_", b"-")
            is_forwarded = is_forwarded or plain in _NAME_A_CLIENT
            if plain == self._user_header:
                users.append((lower, value))
            elif plain not in _NAME_A_CLIENT and not plain.startswith(b"x-forwarded-"):
                headers.append((name, value))
            elif plain == lower:
                # Spelled with underscores it is dropped: a proxy that replaces X-Forwarded-For can pass a client's other spelling.
                reported.setdefault(lower, []).extend(value.decode("latin-1").split(","))
        is_proxy = self._is_trusted(scope)
        resolved = {**scope, "headers": headers, PROXY: is_proxy, FORWARDED: is_forwarded}
        if is_proxy:
            self._apply(resolved, reported)
            if user := self._one_user(users):
                resolved[_USER] = user
                resolved["headers"] = [header for header in resolved["headers"] if not _is_of_the_proxy(*header)]
        return resolved

    def _is_trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        if not client or not client[0]:
            return self._trusts_unix
        address = _address(client[0])
        return address is not None and self._contains(address)

    def _contains(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _apply(self, resolved: Scope, reported: dict[bytes, list[str]]) -> None:
        """Set what the proxy reports. All of it comes from one hop: the proxy that the client connected to."""
        hops = reported.get(b"x-forwarded-for", [])
        client, hop = self._client(hops)
        peer = _address(resolved["client"][0]) if resolved.get("client") else None
        if client is not None and not client.is_loopback:
            resolved["client"] = (str(client), 0)
        elif any(each.strip() for each in hops) and (peer is None or peer.is_loopback):
            # No header makes a client local: the client is unknown.
            resolved["client"] = None
        proto = _at(hop, reported.get(b"x-forwarded-proto", [])).lower()
        if proto in _SECURE:
            resolved["scheme"] = _SCHEMES[resolved["type"]][_SECURE[proto]]
        port = _at(hop, reported.get(b"x-forwarded-port", []))
        resolved[REPORTED] = Reported(proto in _SECURE, int(port) if _PORT_NUMBER.fullmatch(port) else None)
        if host := _at(hop, reported.get(b"x-forwarded-host", [])):
            resolved["headers"] = [header for header in resolved["headers"] if header[0].lower() != b"host"]
            resolved["headers"].append((b"host", host.encode("latin-1")))

    def _client(self, hops: list[str]) -> tuple[Address | None, int]:
        """The last address that is not a trusted proxy, and the number of proxies after the one that reports it.

        Each proxy appends the address it saw, and the client can have made up everything before its own. None if no address can be
        read. The loopback of another host ends the chain: what is before it can be made up.
        """
        client, hop = None, 0
        for place, text in enumerate(reversed(hops)):
            address = _address(text)
            if address is None or (address.is_loopback and not self._contains(address)):
                break
            client, hop = address, place
            if not self._contains(address):
                break
        return client, hop

    def _one_user(self, users: list[tuple[bytes, bytes]]) -> str:
        """The user of exactly one header, spelled as configured: if there are two, the client can have sent one of them."""
        if len(users) != 1 or users[0][0] != self._user_header:
            return ""
        try:
            return users[0][1].decode().strip()
        except UnicodeDecodeError:
            return ""


def _at(hop: int, values: list[str]) -> str:
    """The value from the proxy this many hops before the last. If not every proxy appended one, the first: it is the nearest."""
    return values[max(0, len(values) - 1 - hop)].strip() if values else ""


def _is_of_the_proxy(name: bytes, value: bytes) -> bool:
    """Whether this Authorization header is for the proxy and not for us: oauth2-proxy passes it on with
    `--pass-authorization-header`, and it would be rejected as an unknown API token.
    """
    return name.lower() == b"authorization" and not value.strip().lower().startswith(b"bearer gpumon_")


def _address(text: str) -> Address | None:
    """The address in `10.0.0.7`, `10.0.0.7:1234`, `fd00::7` or `[fd00::7]:1234`. None for anything else."""
    text = text.strip()
    if (split := _PORT.fullmatch(text)) is not None:
        text = split["six"] or split["four"]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A server that listens on `::` sees IPv4 clients as ::ffff:10.0.0.7.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
