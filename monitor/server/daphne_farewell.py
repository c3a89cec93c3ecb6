"""Where daphne serves: when it ends, open sockets are closed by the protocol and not by cutting the connection."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterable
from typing import Any

SERVICE_RESTART = 1012
"""As uvicorn says it; registered with IANA for RFC 6455. An application under daphne may not send it, the server may."""
WAIT_SECONDS = 1.0
"""For the clients' answers: one that has gone does not keep the server from ending."""
_LOOK_SECONDS = 0.02


def close_sockets_at_end() -> None:
    """Nothing where another server runs the application: daphne has loaded its server before it imports one.

    Daphne cancels applications before its reactor ends, and has no place for what is to be done just before that; hence
    this wrapper (daphne 4.2, server.py, kill_all_applications).
    """
    server = sys.modules.get("daphne.server")
    if server is None:
        return
    kill_all_applications = server.Server.kill_all_applications

    @functools.wraps(kill_all_applications)
    def after_farewell(self: Any) -> Any:
        closing = _say_farewell(self.connections)
        # It looks for the application of every connection, and fails at the first that has none: a request that became a
        # socket, or one whose application is done.
        every = self.connections
        self.connections = {each: details for each, details in every.items() if "application_instance" in details}
        try:
            killed = kill_all_applications(self)
        finally:
            self.connections = every
        return _when_closed(closing).addCallback(lambda _: killed)

    server.Server.kill_all_applications = after_farewell


def _say_farewell(connections: Iterable[Any]) -> list[Any]:
    """Send a close frame on each open socket; answers those."""
    sockets = [each for each in connections if getattr(each, "state", None) == getattr(each, "STATE_OPEN", "none")]
    for socket in sockets:
        socket.sendCloseFrame(code=SERVICE_RESTART, reasonUtf8=b"the server ends")
    return sockets


def _when_closed(sockets: list[Any]) -> Any:
    """A Deferred that fires when all are closed, or the time is up."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    closed: Deferred[None] = Deferred()
    give_up_at = time.monotonic() + WAIT_SECONDS

    def look() -> None:
        if time.monotonic() >= give_up_at or all(each.state == each.STATE_CLOSED for each in sockets):
            closed.callback(None)
        else:
            reactor.callLater(_LOOK_SECONDS, look)  # type: ignore[arg-type]  # zope's interfaces have no self

    look()
    return closed
