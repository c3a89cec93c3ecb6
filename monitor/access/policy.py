"""Who must log in to view, and who sees who runs what: by where the server can be reached from, and by a permission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from monitor.config.hosts import is_loopback
from monitor.config.model import Config

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser  # the settings import this module, before there are models

VIEW_COMMANDS = "monitor.view_commands"
"""The permission to see command lines. Superusers and the group `administrators` have it; others can be given it."""
LoginOf = Literal["everybody", "others", "nobody"]


class Access(NamedTuple):
    """The access rule of a server."""

    login: LoginOf
    """Who must log in to view. `others`: clients that are not on the host itself."""
    is_exposed: bool
    """The server is meant to be reachable from other hosts."""
    shows_details: bool
    """Anonymous viewers, if allowed, see users, programs and containers."""

    @property
    def shows_commands(self) -> bool:
        """They also see command lines: only on the host itself, where `ps` shows them as well."""
        return self.shows_details and not self.is_exposed

    def asks_login_of(self, address: str, *, was_forwarded: bool = False) -> bool:
        """Whether this client must log in. `address` is its IP address, empty for a Unix socket.

        `was_forwarded`: a proxy reports that the request is from another client, which can be anywhere.
        """
        if self.login != "others":
            return self.login == "everybody"
        return was_forwarded or not is_loopback(address)


def may_view_commands(user: AbstractBaseUser) -> bool:
    """Whether the user has the permission. Queries the database, unless the user is a superuser."""
    return bool(user.has_perm(VIEW_COMMANDS))  # type: ignore[attr-defined]  # whatever the user model is


def access_of(config: Config) -> Access:
    """The rule that follows from the settings."""
    exposed = is_exposed(config)
    login: LoginOf = {"login": "everybody", "none": "nobody"}.get(config.auth, "everybody" if exposed else "others")  # type: ignore[assignment]  # of the literals
    details = config.anonymous_details
    shows_details = details == "show" or (details == "auto" and not exposed)
    return Access(login, exposed, shows_details)


def is_exposed(config: Config) -> bool:
    """Whether other hosts are meant to reach the server, by its address, names, proxies or public URL. (Not every proxy sends
    a header, and some send our own name as Host.)
    """
    names = [config.host, *config.allowed_hosts, *(urlsplit(url).hostname or "" for url in _opened_at(config))]
    return bool(config.trusted_proxies) or not all(map(is_loopback, names))


def is_behind_tls(config: Config) -> bool:
    """Whether browsers reach the server by HTTPS."""
    if config.tls == "auto":
        opened = _opened_at(config)
        return bool(opened) and all(url.startswith("https://") for url in opened)
    return config.tls == "on"


def _opened_at(config: Config) -> list[str]:
    """URLs at which browsers open the server, as far as settings contain them."""
    return [*config.csrf_trusted_origins, *([] if config.public_url is None else [config.public_url])]
