"""Refuse connections to addresses that are not public, for the whole process."""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import Any

NOT_PUBLIC = "The address is not public, such as one of this host or of the local network."
FORBIDDEN = (
    f"{NOT_PUBLIC} Only a superuser can allow that, by saving the channel's URL, and nobody while "
    "GPU_MONITOR_FORBID_PRIVATE_WEBHOOKS is true."
)
FORBIDDEN_HEARTBEAT = f"{NOT_PUBLIC} GPU_MONITOR_FORBID_PRIVATE_WEBHOOKS is true, which also forbids heartbeats to it."
_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Audit events of Python whose second argument is the remote address."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, to which a gateway forwards."""


def install() -> list[object]:
    """Refuse every connection of this process to an address that is not public; return the list of refused addresses.

    The check runs at the connection itself, whichever library makes it, so it sees the address that a name resolved to: DNS
    rebinding does not get around it. It cannot be removed. A local socket's path, such as syslog's, is not an address.
    """
    refused: list[object] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CONNECTING or not isinstance(arguments[1], tuple):
            return
        if not is_public(str(arguments[1][0])):
            refused.append(arguments[1])
            raise PermissionError(FORBIDDEN)

    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # a proxy would resolve the name itself
    sys.addaudithook(watch)
    return refused


def is_public(address: str) -> bool:
    """Whether an IP address is on the internet. False for anything but an IP address. IPv4 within IPv6 counts as IPv4."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        within = ip.ipv4_mapped or ip.sixtofour
        if within is None and ip in _NAT64:
            within = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if within is not None:
            return is_public(str(within))
        if ip.is_site_local:
            return False
    # Python calls some reserved addresses global: ::127.0.0.1, or 64:ff9b:1::/48, which gateways map to IPv4 (RFC 8215).
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)
