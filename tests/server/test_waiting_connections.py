"""Connections from which no request has come: limited per address and in all; a client that speaks is kept."""

from __future__ import annotations

import logging
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.server.waiting_connections import MOST_PER_ADDRESS, PATIENCE_SECONDS, WaitingConnections
from tests.deploy.commands import GUNICORN
from tests.support.servers import Server, wait_for


class Client:
    """A connection that records whether it was closed."""

    def __init__(self, *, has_spoken: bool = False) -> None:
        self.has_spoken = has_spoken
        self.is_closed = False

    def has_unread(self) -> bool:
        return self.has_spoken

    def abort(self) -> None:
        self.is_closed = True


def test_oldest_connections_of_an_address_with_too_many_are_closed_after_a_while() -> None:
    """Regression: of 400 viewers behind one address who came back after a restart, every third was refused."""
    now = [0.0]
    waiting = WaitingConnections(10_000, monotonic=lambda: now[0])
    other = Client()
    waiting.add(other, "b")
    flood = [Client() for _ in range(MOST_PER_ADDRESS + 3)]
    for each in flood[:-1]:
        waiting.add(each, "a")
    assert not any(each.is_closed for each in flood)
    now[0] = PATIENCE_SECONDS
    waiting.add(flood[-1], "a")
    assert [each.is_closed for each in flood[:4]] == [True, True, True, False]
    assert not any(each.is_closed for each in (other, *flood[3:]))


def test_client_whose_request_lies_there_unread_is_kept() -> None:
    now = [0.0]
    waiting = WaitingConnections(16, monotonic=lambda: now[0])  # 8 in all, 4 per address
    honest = Client(has_spoken=True)
    waiting.add(honest, "a")
    flood = [Client() for _ in range(20)]
    for each in flood:
        now[0] += PATIENCE_SECONDS
        waiting.add(each, "a")
    assert not honest.is_closed
    assert len(waiting) == 4


def test_connections_of_many_addresses_are_limited_in_all() -> None:
    waiting = WaitingConnections(16)
    clients = [Client() for _ in range(20)]
    for number, each in enumerate(clients):
        waiting.add(each, number)
    assert [each.is_closed for each in clients] == [True] * 12 + [False] * 8


def test_few_free_descriptors_close_a_waiting_connection_whatever_their_number() -> None:
    """Open WebSockets do not wait, but they have descriptors too."""
    waiting = WaitingConnections(896)
    first, second = Client(), Client()
    waiting.add(first, "a", 895)
    assert not first.is_closed
    waiting.add(second, "b", 896)
    assert (first.is_closed, second.is_closed) == (True, False)
    waiting.remove(second)
    last = Client()
    waiting.add(last, "c", 897)
    assert last.is_closed


def test_flood_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    waiting = WaitingConnections(16, monotonic=lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for now[0] in range(63):
            for _ in range(5):
                waiting.add(Client(), "192.0.2.1")
    assert caplog.text.count("too many connections without a request (") == 2


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=80))
def test_numbers_stay_within_the_limits(steps: list[tuple[bool, int, int]]) -> None:
    waiting = WaitingConnections(16)
    clients = [Client() for _ in range(6)]
    for is_added, client, address in steps:
        waiting.remove(clients[client])
        if is_added:
            waiting.add(clients[client], address)
        assert len(waiting) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("command", [[sys.executable, "manage.py", "serve"], GUNICORN], ids=["daphne", "gunicorn"])
def test_idle_connections_keep_neither_others_nor_the_sampler_out(tmp_path: Path, command: list[str]) -> None:
    """Regression: they used up all descriptors: resets for everybody, and the sampler could not be started."""
    # Twisted accepts more than a hundred at once before it closes one. With fewer files than this, none is left for them.
    limited = ["prlimit", "--nofile=512:512", *command]
    server = Server(tmp_path, command=limited, telemetry_provider="simulated", poll_interval_ms=200).start()
    try:
        wait_for(lambda: server.health()["status"] == "ok", "the first reading")
        with ExitStack() as opened:
            for _ in range(600):
                opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=40))
            sampler = server.health()["sampler_pid"]
            psutil.Process(sampler).kill()
            wait_for(lambda: server.health()["sampler_pid"] not in (None, sampler), "another sampler")
            assert server.process is not None
            main = psutil.Process(server.process.pid)
            assert all(each.num_fds() < 320 for each in (main, *main.children()))
    finally:
        server.stop()
    assert "GPU_MONITOR_MAX_SOCKETS=2000 is more than fit" in server.log
