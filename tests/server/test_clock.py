"""Requests and sockets last through a jump of the wall clock: daphne counts by it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.server.daphne import Request, Socket

JUMPS = [20_000 * 86_400.0, -3600.0]


class _Server(SimpleNamespace):
    http_timeout = 60
    websocket_timeout = 86_400
    websocket_connect_timeout = 5
    ping_interval = 20


@pytest.mark.parametrize("jump", JUMPS)
def test_request_is_not_ended_by_a_clock_that_is_set(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request.__new__(Request)
    request._began_at = time.monotonic() - 3  # noqa: SLF001  # as `process` does
    request.request_start = time.time() - 3
    ended: list[Any] = []
    request.server, request.basic_error = _Server(), lambda *given: ended.append(given)
    request._response_started = False  # noqa: SLF001  # daphne's own
    now = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: now)
    request.check_timeouts()
    assert ended == []
    assert request.duration() == pytest.approx(3, abs=2)


@pytest.mark.parametrize("jump", JUMPS)
def test_socket_is_kept_and_pinged_when_the_clock_is_set(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = Socket()
    socket.last_ping = time.time()
    pinged: list[float] = []
    socket.server, socket.state = _Server(), socket.STATE_OPEN
    socket.serverClose = lambda: pytest.fail("it was closed")
    socket._sendAutoPing = lambda: pinged.append(now)  # noqa: SLF001  # autobahn's own
    now = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: now)
    socket.check_timeouts()
    now += 21
    socket.check_timeouts()
    assert pinged
