"""Answers HTTP requests for the address of a WebSocket, which arrive if something in between does not forward WebSockets."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from monitor.access.middleware import opens_with_link
from monitor.access.responses import LOG_IN
from monitor.access.visitor import visitor_of
from monitor.http.log_once import LogOnce
from monitor.web.errors import logged_already
from monitor.web.routing import socket_admission, socket_origins

PROXY = "a proxy in between does not forward WebSockets"
TO_PAGES = f"Pages come, the socket does not: {PROXY}."
TO_PROGRAMS = f"This is the address of a WebSocket. If you opened one, {PROXY}.\n"
_ADVICE = "let it pass on the headers Upgrade and Connection (docs/troubleshooting.md)"
_requests = LogOnce(logging.getLogger(__name__))


@opens_with_link
@login_not_required  # a handshake without its upgrade is no page to go to after a login
@csrf_exempt
async def plain_socket(request: HttpRequest, name: str) -> HttpResponse:
    """426, and one warning. A page whose sockets fail asks by POST, which has an Origin header as a handshake has: if the handshake
    would be refused here, the answer says so (401, 403, 429), else the cause is in between.
    """
    if request.method == "POST":
        if not visitor_of(request).may_look:
            return _words(401, LOG_IN)
        if not socket_origins().allow(request.scope, without_origin=True):  # type: ignore[attr-defined]  # of ASGIRequest
            return _words(403, "The server refuses the socket of this page; its log says why.")
        if (refusal := socket_admission().too_many(request.scope)) is not None:  # type: ignore[attr-defined]
            return _words(refusal.status, refusal.reason)
        return _words(426, TO_PAGES)
    if "Sec-WebSocket-Key" in request.headers:
        _requests.warning(f"{PROXY}: handshakes arrive without their upgrade; {_ADVICE}")
    else:
        _requests.warning(f"a socket was requested by plain HTTP: if a browser did that, {PROXY}; {_ADVICE}")
    return _words(426, TO_PROGRAMS)


def _words(status: int, text: str) -> HttpResponse:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"} if status == 426 else {}  # RFC 9110, 15.5.22
    response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8", headers=headers)
    return logged_already(response)
