"""The one check of the Host header, for pages, the API and sockets: under an unknown name, only health is answered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from monitor.http.asgi_types import App, Receive, Scope, Send
from monitor.http.authority import authority_of, page_scheme
from monitor.http.log_once import LogOnce, shown

HOST = "gpumon.host"
"""Key of the scope: the host, in canonical form, and its port unless that is the scheme's own. Absent under an unknown name."""
SENT_HOST = "gpumon.sent_host"
"""Key of the scope: the Host header as it was sent, empty without one."""
HEALTH = "/api/health"
"""Load balancers and container engines ask for it by the address of the moment, or without a name (HTTP/1.0)."""
log = logging.getLogger(__name__)


class Names(Protocol):
    """The host names of this server (monitor/config/hosts.py)."""

    @property
    def names(self) -> Sequence[str]:
        """For words."""

    def serves(self, name: str) -> bool:
        """Whether this name, in canonical form, is one of them."""


class HostCheck:
    """ASGI middleware: checks Host and replaces it by its canonical form. What refuses pages and sockets asks whether the scope
    has a HOST.
    """

    def __init__(self, app: App, names: Names) -> None:
        self._app = app
        self._names = names
        self._refusals = LogOnce(log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope = self._checked(scope)
        await self._app(scope, receive, send)

    def _checked(self, scope: Scope) -> Scope:
        sent = b",".join(value for name, value in scope["headers"] if name.lower() == b"host").decode("latin-1")
        headers = [header for header in scope["headers"] if header[0].lower() != b"host"]
        authority = authority_of(sent, page_scheme(scope))
        if authority is not None and self._names.serves(authority.name):
            headers.append((b"host", str(authority).encode()))
            return {**scope, "headers": headers, SENT_HOST: sent, HOST: str(authority)}
        if not scope["path"].endswith(HEALTH):
            self._refusals.warning(
                "refused requests for the host %s: expected %s; to serve it under another name, add that to "
                "GPU_MONITOR_ALLOWED_HOSTS",
                *(shown(sent), ", ".join(self._names.names)),
            )
        return {**scope, "headers": headers, SENT_HOST: sent}
