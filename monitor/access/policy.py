"""Who must log in to view, and who sees who runs what. Decided once, at startup, by where the server can be reached from."""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from monitor.config.model import Config

LoginOf = Literal["everybody", "others", "nobody"]


class Access(NamedTuple):
    """The access rule of a server."""

    login: LoginOf
    """Who must log in to view. `others`: clients that are not on the host itself."""
    is_exposed: bool
    """The server is meant to be reachable from other hosts."""
    shows_details: bool
    """Anonymous viewers, if allowed, see users, command lines and containers."""

    def asks_login_of(self, address: str, *, was_forwarded: bool = False) -> bool:
        """Whether this client must log in. `address` is its IP address, empty for a Unix socket.

        `was_forwarded`: a proxy reports that the request is from another client, which can be anywhere.
        """
        if self.login != "others":
            return self.login == "everybody"
        return was_forwarded or not is_loopback(address)


def access_of(config: Config) -> Access:
    """The rule that follows from the settings."""
    exposed = is_exposed(config)
    login: LoginOf = {"login": "everybody", "none": "nobody"}.get(config.auth, "everybody" if exposed else "others")  # type: ignore[assignment]  # of the literals
    details = config.anonymous_details
    return Access(login, exposed, details == "show" or (details == "auto" and not exposed))


def is_exposed(config: Config) -> bool:
    """Whether other hosts are meant to reach the server, by its address, names, proxies or public URL. (Not every proxy sends
    a header, and some send our own name as Host.)
    """
    names = [config.host, *config.allowed_hosts, *(urlsplit(url).hostname or "" for url in _opened_at(config))]
    return bool(config.trusted_proxies) or not all(map(is_loopback, names))


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


def is_behind_tls(config: Config) -> bool:
    """Whether browsers reach the server by HTTPS."""
    if config.tls == "auto":
        opened = _opened_at(config)
        return bool(opened) and all(url.startswith("https://") for url in opened)
    return config.tls == "on"


def _opened_at(config: Config) -> list[str]:
    """URLs at which browsers open the server, as far as settings contain them."""
    return [*config.csrf_trusted_origins, *([] if config.public_url is None else [config.public_url])]
