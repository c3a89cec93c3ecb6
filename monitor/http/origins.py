"""Which pages may send forms and open WebSockets: one rule for both. Browsers send the page's site in the Origin header."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from monitor.http.asgi_types import Scope
from monitor.http.authority import Origin, origin_of, page_scheme
from monitor.http.hosts import HOST
from monitor.http.log_once import LogOnce, shown
from monitor.http.proxies import REPORTED, Reported
from monitor.http.request_id import shown_path

log = logging.getLogger(__name__)


class NamedOrigins:
    """Origins as settings name them, also by wildcards like `https://*.example.com`."""

    def __init__(self, named: Iterable[str]) -> None:
        named = list(named)
        self._named = {origin for text in named if (origin := origin_of(text)) is not None}
        self._below = {origin for text in named if "://*." in text and (origin := origin_of(text.replace("*.", "", 1)))}

    def __contains__(self, origin: Origin) -> bool:
        """A wildcard matches as in Django: any name below, and the name itself."""
        name = origin.authority.name
        return origin in self._named or any(
            (origin.scheme, origin.authority.port) == (below.scheme, below.authority.port)
            and (name == below.authority.name or name.endswith(f".{below.authority.name}"))
            for below in self._below
        )


class Origins:
    """Compares the Origin header with the address of the request and with the trusted origins.

    HostCheck has checked the address before: otherwise another site could point its name at this server (DNS rebinding).
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        """`trusted`: as in GPU_MONITOR_CSRF_TRUSTED_ORIGINS."""
        self._trusted = NamedOrigins(trusted)
        self._refusals = LogOnce(log)

    def allow(self, scope: Scope, *, without_origin: bool) -> bool:
        """Whether to accept a form or a handshake. `without_origin`: the answer if it has no Origin header. Logs refusals."""
        if HOST not in scope:
            return False
        sent = header(scope, b"origin")
        if sent is None:
            return without_origin
        own = own_origins(scope)
        origin = origin_of(sent)
        if origin is None:
            is_allowed = sent == "null" and header(scope, b"sec-fetch-site") == "same-origin"
        else:
            is_allowed = origin in own or origin in self._trusted
        if not is_allowed:
            what = "socket" if scope["type"] == "websocket" else "form"
            self._refusals.warning(
                "refused a %s for %s: its page is from %s, expected %s; if browsers open the dashboard there, let the proxy pass "
                "on Host and list it in GPU_MONITOR_TRUSTED_PROXIES, or set GPU_MONITOR_CSRF_TRUSTED_ORIGINS",
                *(what, shown_path(scope["path"]), shown(sent), " or ".join(map(str, own))),
            )
        return is_allowed


def own_origins(scope: Scope) -> list[Origin]:
    """The origins of this server's own pages, under the address of this request.

    gpumon itself serves HTTP, so only a trusted proxy knows whether the browser used HTTPS; without one, both are possible. Many
    proxies pass on the host without its port, and report that separately.
    """
    reported: Reported = scope.get(REPORTED, Reported())
    scheme = page_scheme(scope)
    schemes = [scheme] if reported.has_scheme else [scheme, "https" if scheme == "http" else "http"]
    text = str(scope[HOST])
    found = [origin for each in schemes if (origin := origin_of(f"{each}://{text}")) is not None]
    if reported.port is not None:
        with_port = (
            origin_of(f"{each.scheme}://{each.authority.name}:{reported.port}")
            for each in found
            if each.authority.port is None
        )
        found += [each for each in with_port if each is not None]
    return list(dict.fromkeys(found))


def header(scope: Scope, name: bytes) -> str | None:
    """The header's value; several ones are joined by commas, as Django does. None if there is none."""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return b",".join(values).decode("latin-1") if values else None
