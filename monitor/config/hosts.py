"""The host names this server answers to: any other is refused, so that no foreign page can rebind its name to us."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import psutil

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to  # nosec


def hosts_answered(allowed: Iterable[str], bound_to: str) -> list[str]:
    """What ALLOWED_HOSTS says; where it says nothing, the loopback names, the bound address and, when that is every
    address, this machine's own names and addresses.
    """
    if given := list(allowed):
        return given
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
    """IPv6 addresses stand in brackets in a Host header (RFC 3986, 3.2.2); names are compared in lower case."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower()
    return f"[{address}]" if address.version == 6 else str(address)
