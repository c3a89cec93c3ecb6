"""Who has to log in to look, and who is told what people run: decided once, at the start, by where the server can be reached."""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from monitor.config.model import Config

LoginOf = Literal["everybody", "others", "nobody"]


class Access(NamedTuple):
    """The rule."""

    login: LoginOf
    """Who has to log in to look. `others` is whoever is not on this machine: such a server is meant for that alone."""
    is_exposed: bool
    """The server is meant to be reached from elsewhere."""
    shows_details: bool
    """Users, command lines and containers are shown to those who are not logged in, where they may look at all."""

    def asks_login_of(self, address: str, *, was_forwarded: bool = False) -> bool:
        """Whether this client has to log in. `address`: its IP address, empty where it has none (a Unix socket).

        `was_forwarded`: a proxy says that it asks for somebody else, who may be anywhere.
        """
        if self.login != "others":
            return self.login == "everybody"
        return was_forwarded or not is_loopback(address)


def access_of(config: Config) -> Access:
    """The rule by the settings."""
    exposed = is_exposed(config)
    login: LoginOf = {"login": "everybody", "none": "nobody"}.get(config.auth, "everybody" if exposed else "others")  # type: ignore[assignment]  # of the literals
    details = config.anonymous_details
    return Access(login, exposed, details == "show" or (details == "auto" and not exposed))


def is_exposed(config: Config) -> bool:
    """Whether anything says that others than this machine are to reach the server: its address, its names, its proxies, or
    where browsers open it. (Not every proxy says in a header that it is one, and some give our own name for Host.)
    """
    names = [config.host, *config.allowed_hosts, *(urlsplit(url).hostname or "" for url in _opened_at(config))]
    return bool(config.trusted_proxies) or not all(map(is_loopback, names))


def is_loopback(host: str) -> bool:
    """Whether an address, or a name as in ALLOWED_HOSTS, is of this machine alone."""
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
    """Where browsers open the server, as far as settings say so."""
    return [*config.csrf_trusted_origins, *([] if config.public_url is None else [config.public_url])]
