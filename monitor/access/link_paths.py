"""Finds the read-only link in a request's path: `/view/<token>/gpu/…` is the page `/gpu/…`, opened with that link.

The link is in the path, and not in a cookie: browsers keep cookies from a page in another site's frame, and one browser can open
several links, or be logged in as well. Django puts the same path before every address it makes, so the whole site is below it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import NamedTuple

from django.http import HttpRequest
from django.urls import set_script_prefix

from monitor.access.rate_limits.rate_limiter import Rate, client_of
from monitor.access.view_links import key_in
from monitor.config.hosts import is_loopback
from monitor.http.asgi_types import App, Receive, Scope, Send
from monitor.http.security_headers import BELOW_DJANGO
from monitor.live.admission import Refusal, refuse
from monitor.live.pieces import ANY_LINK

WRONG_PER_ADDRESS = 20
"""Paths with a wrong signature from one address before it has to wait; one attempt returns every minute."""
_SCOPE = "gpumon.link"
_PATH = re.compile(r"/view/([^/]{1,200})(?=/|\Z)")


class OpenedLink(NamedTuple):
    """The link in the path of a request. Its signature is right; the database knows whether it is still valid."""

    key: str
    token: str


def link_of(scope: Scope) -> OpenedLink | None:
    """The link that this request or socket was opened with."""
    found: OpenedLink | None = scope.get(_SCOPE)
    return found


def link_of_request(request: HttpRequest) -> OpenedLink | None:
    """The link that this request was opened with."""
    return link_of(getattr(request, "scope", {}))


class LinkPaths:
    """ASGI middleware, inside of BasePath. A path with a wrong signature stays as it is, and so belongs to no page."""

    def __init__(self, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._wrong = Rate(per_minute=1, at_once=WRONG_PER_ADDRESS, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            base = scope.get("root_path", "")
            if found := _PATH.match(scope["path"], len(base)):
                key = key_in(found[1])
                if key is None and (wait := self._wait(scope)):
                    await _refuse(scope, receive, send, wait)
                    return
                if key is not None:
                    scope = {**scope, "root_path": f"{base}/view/{found[1]}", _SCOPE: OpenedLink(key, found[1])}
                    set_script_prefix(f"{base}{ANY_LINK}")  # of sockets; Django sets its own for a request
        await self._app(scope, receive, send)

    def _wait(self, scope: Scope) -> int:
        """Count a wrong signature. Returns 0, or the seconds to wait. The host itself has no limit, as for the API."""
        address = str((scope.get("client") or ("",))[0])
        return 0 if is_loopback(address) else self._wrong.take(client_of(address))


async def _refuse(scope: Scope, receive: Receive, send: Send, wait: int) -> None:
    reason = f"Too many wrong links from this address: retry in {wait} s.\n"
    retry = (b"retry-after", str(wait).encode())
    if scope["type"] == "websocket":
        await receive()
        await refuse(scope, send, Refusal(429, reason, (retry,)))
        return
    headers = [*((name.lower().encode(), value.encode()) for name, value in BELOW_DJANGO.items()), retry]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
