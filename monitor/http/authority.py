"""The canonical form of hosts and origins, in which they are compared: lower case, without the scheme's own port (RFC 6454, 4)."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from monitor.http.asgi_types import Scope

OWN_PORTS = {"http": 80, "https": 443}
_PAGE_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_LONGEST = 255
_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?")


class Authority(NamedTuple):
    """A host name or address, and its port."""

    name: str
    """In lower case; an IPv6 address in brackets (RFC 3986, 3.2.2). Underscores are allowed: Docker and Windows use them."""
    port: int | None
    """None: the scheme's own."""

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


class Origin(NamedTuple):
    """Where a page comes from (RFC 6454)."""

    scheme: str
    authority: Authority

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def page_scheme(scope: Scope) -> str:
    """http or https: the scheme of the page that sends a form, or opens a socket. (daphne gives a socket's scope no scheme.)"""
    return _PAGE_SCHEMES.get(str(scope.get("scheme")), "http")


def authority_of(text: str, scheme: str) -> Authority | None:
    """The canonical form of a Host header, or None if it names no host. `scheme`: http or https."""
    parts = _HOST.fullmatch(text.lower()) if len(text) <= _LONGEST and text.isascii() else None
    if parts is None:
        return None
    name = _name_of(parts["name"])
    port = int(parts["port"] or OWN_PORTS[scheme])
    if name is None or not 0 < port < 65_536:
        return None
    return Authority(name, None if port == OWN_PORTS[scheme] else port)


def origin_of(text: str) -> Origin | None:
    """The canonical form of an Origin header, or None if it is no origin of a web page (such as `null`)."""
    scheme, found, host = text.partition("://")
    scheme = scheme.lower()
    authority = authority_of(host, scheme) if found and scheme in OWN_PORTS else None
    return None if authority is None else Origin(scheme, authority)


def _name_of(text: str) -> str | None:
    if not text.startswith("["):
        name = text.removesuffix(".")  # the root of the domain names, which browsers keep in both headers
        return None if not name or name.startswith(".") else name
    try:
        return f"[{ipaddress.IPv6Address(text[1:-1])}]"
    except ValueError:
        return None
