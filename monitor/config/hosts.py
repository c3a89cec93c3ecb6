"""The host names of this server. Requests for any other are refused, which protects against DNS rebinding."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import psutil

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to  # nosec


def served_hosts(allowed: Iterable[str], bound_to: str) -> list[str]:
    """The allowed hosts; if none are set, the loopback names and the bound address, or, if that is every address, this host's
    own names and addresses.
    """
    if configured := list(allowed):
        return configured
    own = _own_names() if bound_to in WILDCARDS else [bound_to]
    return list(dict.fromkeys([*LOOPBACK, *(_as_in_url(host) for host in own)]))


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
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower()
    return f"[{address}]" if address.version == 6 else str(address)
