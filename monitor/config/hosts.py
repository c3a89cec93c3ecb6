"""The host names of this server. Requests for any other are refused, which protects against DNS rebinding."""

from __future__ import annotations

import ipaddress
import math
import socket
import time
from collections.abc import Callable, Iterable, Sequence

import psutil

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to  # nosec
LOOK_AGAIN_SECONDS = 5.0


class ServedHosts:
    """The allowed hosts; if none are set, the loopback names and the bound address, or, if that is every address, this host's
    own names and addresses. The host of the public URL always.

    The own addresses can change after the start (DHCP, VPN), so they are looked up again when an unknown name is asked for, at
    most every five seconds. Used in the event loop.
    """

    def __init__(
        self,
        allowed: Iterable[str],
        bound_to: str,
        public_host: str | None = None,
        *,
        look_up: Callable[[], Iterable[str]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        configured = list(allowed)
        public = [] if public_host is None else [public_host]
        self._fixed = [*(configured or [*LOOPBACK, bound_to]), *public]
        self._look_up = look_up or _own_names
        self._follows_host = not configured and bound_to in WILDCARDS
        self._monotonic = monotonic
        self._refresh()
        self._looked_up_at = -math.inf  # the first unknown name is always looked up

    @property
    def names(self) -> Sequence[str]:
        """As in GPU_MONITOR_ALLOWED_HOSTS: also `*` and patterns like `.example.com`."""
        return self._names

    def serves(self, name: str) -> bool:
        """Whether this name, in lower case, is one of them."""
        if self._has(name):
            return True
        if not self._follows_host or self._monotonic() - self._looked_up_at < LOOK_AGAIN_SECONDS:
            return False
        self._refresh()
        return self._has(name)

    def _has(self, name: str) -> bool:
        return any(
            allowed in ("*", name) or (allowed.startswith(".") and (name.endswith(allowed) or name == allowed[1:]))
            for allowed in self._names
        )

    def _refresh(self) -> None:
        self._looked_up_at = self._monotonic()
        own = self._look_up() if self._follows_host else ()
        self._names = tuple(dict.fromkeys(_as_in_url(host) for host in [*self._fixed, *own]))


def _own_names() -> list[str]:
    name = socket.gethostname()
    addresses = [
        address.address.partition("%")[0]
        for of_interface in psutil.net_if_addrs().values()
        for address in of_interface
        if address.family in {socket.AF_INET, socket.AF_INET6}
    ]
    return [name, name.partition(".")[0], f"{name.partition('.')[0]}.local", *addresses]


def _as_in_url(host: str) -> str:
    """As in a Host header: IPv6 addresses in brackets (RFC 3986, 3.2.2), names in lower case for comparison."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().removesuffix(".")
    return f"[{address}]" if address.version == 6 else str(address)


def is_loopback(host: str) -> bool:
    """Whether an address, or a name as in ALLOWED_HOSTS, is the loopback of this host."""
    name = host.lower().rstrip(".").strip("[]")
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
