"""Who asks, behind a proxy: `X-Forwarded-*` is believed from the proxies named in GPU_MONITOR_TRUSTED_PROXIES, from nobody else.

The servers' own switches do not do: daphne's `--proxy-headers` believes everybody, uvicorn's believes whoever comes from
127.0.0.1 unless told otherwise, and neither takes X-Forwarded-Host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""Stands for whoever comes through a Unix socket, and so has no address: the socket's file mode says who may."""
PROXY = "gpumon.proxy"
"""The scope's key (`request.scope` in a view) that says whether the request came from a trusted proxy. Other headers that
only a proxy may set are believed where this is True."""
_CLAIMS = frozenset({b"forwarded", b"x-real-ip"})
_SECURE = {"http": False, "ws": False, "https": True, "wss": True}
_SCHEMES = {"http": ("http", "https"), "websocket": ("ws", "wss")}
_PORT = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<four>[^:]+))(?::\d{1,5})?")


def network(text: str) -> Network:
    """An address or a network, such as 10.0.0.7 or 10.0.0.0/24. Raises ValueError, also for bits beyond the mask."""
    return ipaddress.ip_network(text)


class TrustedProxies:
    """Around the application: sets client address, scheme and host as a trusted proxy tells them, and takes away the headers
    that told them, from everybody, so that nothing behind can believe them.
    """

    def __init__(self, app: App, trusted: Iterable[str]) -> None:
        """`trusted`: addresses and networks, or `unix`. Raises ValueError for anything else."""
        names = set(trusted)
        self._app = app
        self._trusts_unix = UNIX in names
        self._networks = tuple(network(name) for name in names - {UNIX})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in _SCHEMES:
            scope = self._as_told(scope)
        await self._app(scope, receive, send)

    def _as_told(self, scope: Scope) -> Scope:
        claims: dict[bytes, list[str]] = {}
        headers = []
        for name, value in scope["headers"]:
            lower = bytes(name.lower())
            plain = lower.replace(b"_", b"-")
            if plain not in _CLAIMS and not plain.startswith(b"x-forwarded-"):
                headers.append((name, value))
            elif plain == lower:
                # With underscores it is thrown away alone: a proxy that knows the right spelling may hand on a client's other.
                claims.setdefault(lower, []).extend(value.decode("latin-1").split(","))
        is_proxy = self._is_trusted(scope)
        told = {**scope, "headers": headers, PROXY: is_proxy}
        if is_proxy:
            self._believe(told, claims)
        return told

    def _is_trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        if not client or not client[0]:
            return self._trusts_unix
        address = _address(client[0])
        return address is not None and self._holds(address)

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _believe(self, told: Scope, claims: dict[bytes, list[str]]) -> None:
        if (client := self._client(claims.get(b"x-forwarded-for", []))) is not None:
            told["client"] = (str(client), 0)
        proto = claims.get(b"x-forwarded-proto", [""])[-1].strip().lower()
        if proto in _SECURE:
            told["scheme"] = _SCHEMES[told["type"]][_SECURE[proto]]
        if host := claims.get(b"x-forwarded-host", [""])[-1].strip():
            told["headers"] = [header for header in told["headers"] if header[0] != b"host"]
            told["headers"].append((b"host", host.encode("latin-1")))

    def _client(self, hops: list[str]) -> Address | None:
        """Each proxy adds at the end whom it saw. So from the end: the first that is not itself a trusted proxy; what stands
        before that one the client may have made up. None where nothing can be read.
        """
        client = None
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            client = address
            if not self._holds(address):
                break
        return client


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
