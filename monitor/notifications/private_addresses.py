"""Which addresses are of the internet: messages go to no others where that is set. Knows no Django."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

FORBIDDEN = (
    "It leads to an address that is not public, such as one of this machine or of the local network, which "
    "GPU_MONITOR_FORBID_PRIVATE_WEBHOOKS forbids."
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, to which a gateway of the network leads on."""


class Forbidden(Exception):
    """The address of a receiver is not public."""

    def __init__(self) -> None:
        super().__init__(FORBIDDEN)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet; what is no IP address is not. IPv4 within IPv6 counts as IPv4."""
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
    # Reserved, and yet global for Python: ::127.0.0.1, or 64:ff9b:1::/48, from which gateways lead on to IPv4 (RFC 8215).
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, the ones to try first in front. Raises OSError where there is no such host."""
    found = []
    with suppress(UnicodeError):  # no name has such a label: it is empty, or too long
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, to connect to and not to look up again: the next answer may be another (DNS rebinding).

    Raises Forbidden where one of them is not public, and OSError as addresses does.
    """
    found = addresses(host, port)
    if not all(is_public(address) for address in found):
        raise Forbidden
    return found
