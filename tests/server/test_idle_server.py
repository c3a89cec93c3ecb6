"""An idle server under daphne sleeps: nothing of daphne and Twisted runs every second for nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from daphne.ws_protocol import WebSocketProtocol

from monitor.server.daphne import Factory, Server


async def application(_scope: object, _receive: object, _send: object) -> None:
    """Never called here."""


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What the server asks its reactor to call later."""
    calls: list[Callable[[], None]] = []
    monkeypatch.setattr("twisted.internet.reactor.callLater", lambda _seconds, call: calls.append(call))
    return calls


def test_checks_rest_without_connections_and_begin_again_with_one(planned: list[Callable[[], None]]) -> None:
    server = Server(application, endpoints=["tcp:0"])
    server.connections = {}
    checks = [server.application_checker, server.timeout_checker]
    for check in checks:
        check()
    assert planned == []
    client = WebSocketProtocol()
    client.check_timeouts = lambda: None
    server.protocol_connected(client)
    assert sorted(map(repr, planned)) == sorted(map(repr, checks))
    planned.clear()
    for check in checks:
        check()
    assert len(planned) == 2  # once each, while the connection lasts
    server.protocol_disconnected(client)
    for check in checks:
        check()
    assert server.connections == {}
    assert len(planned) == 3  # the second check found none any more


def test_no_access_log_is_made_that_is_not_kept(planned: list[Callable[[], None]]) -> None:
    """Twisted formats a date for it each second."""
    factory = Factory(Server(application, endpoints=["tcp:0"]))
    factory.doStart()
    assert planned == []
    factory.doStop()
