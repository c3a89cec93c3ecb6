"""Notifications to systemd on real datagram sockets: content, destination, and when the watchdog pings stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.server.lifespan import lifespan
from monitor.server.systemd import ALIVE, LOOK_SECONDS, READY, Systemd
from monitor.telemetry.pulse import Pulse


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening


def heard(listener: socket.socket) -> list[str]:
    """All messages so far."""
    listener.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(listener.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_message_goes_to_the_socket_of_the_environment_which_children_do_not_inherit(listener: socket.socket) -> None:
    environment = {
        "NOTIFY_SOCKET": listener.getsockname(),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": "1",
        "PATH": "/bin",
    }
    systemd = Systemd.taken_from(environment)
    systemd.notify(READY)
    assert heard(listener) == ["READY=1"]
    assert systemd.watchdog_seconds == 30
    assert environment == {"PATH": "/bin"}


def test_abstract_socket_is_named_with_an_at_sign() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0gpumon-test-notify")
        Systemd("@gpumon-test-notify").notify(READY)
        assert heard(listening) == ["READY=1"]


def test_manual_start_sends_nothing_and_starts_no_watchdog() -> None:
    systemd = Systemd.taken_from({})
    systemd.notify(READY)
    asyncio.run(systemd.signal_watchdog(lambda: True))


def test_missing_socket_is_logged_and_the_service_continues(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Systemd(str(tmp_path / "gone")).notify(READY)
    assert "cannot send READY=1 to systemd" in caplog.text


@pytest.mark.parametrize("micros", ["", "0", "soon"])
def test_pings_are_sent_only_with_a_watchdog(listener: socket.socket, micros: str) -> None:
    systemd = Systemd.taken_from({"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": micros})
    asyncio.run(systemd.signal_watchdog(lambda: True))
    assert heard(listener) == []


def test_pings_continue_while_the_server_is_alive_and_stop_with_one_log_line(
    listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    lives = iter([True, True, False, False, True])

    def is_alive() -> bool:
        try:
            return next(lives)
        except StopIteration:
            raise asyncio.CancelledError from None

    with caplog.at_level(logging.CRITICAL), pytest.raises(asyncio.CancelledError):
        asyncio.run(Systemd(listener.getsockname(), watchdog_seconds=0.001).signal_watchdog(is_alive))
    assert heard(listener) == [ALIVE] * 3
    assert caplog.text.count("readings have stopped") == 1


def test_thread_that_waits_signals_too_while_it_is_alive(
    listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    is_over, lives = threading.Event(), [True, False, False, True]

    def is_alive() -> bool:
        if len(lives) == 1:
            is_over.set()
        return lives.pop(0)

    with caplog.at_level(logging.CRITICAL):
        Systemd(listener.getsockname(), watchdog_seconds=0.001).signal_watchdog_until(is_over, is_alive)
    assert heard(listener) == [ALIVE] * 2
    assert caplog.text.count("readings have stopped") == 1
    Systemd(None).signal_watchdog_until(is_over, is_alive)  # without a watchdog, it only waits


class Waited(threading.Event):
    """Is set after three waits that end by their time alone."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return len(self.seconds) > 3


@pytest.mark.parametrize("period", [None, 60.0])
def test_no_wait_is_so_long_that_a_signal_just_before_it_is_missed(period: float | None) -> None:
    """Regression: an agent that got SIGTERM as it began to wait went on for ever."""
    waited = Waited()
    Systemd(None, watchdog_seconds=period).signal_watchdog_until(waited, lambda: True)
    assert waited.seconds == [LOOK_SECONDS] * 4


def test_pulse_stops_after_too_long_without_a_new_reading() -> None:
    newest, time = [1.0], [0.0]
    pulse = Pulse(lambda: newest[0], lambda: 1.0, now=lambda: time[0])
    time[0] = 13.0
    assert pulse()
    time[0] = 13.1
    assert not pulse()
    newest[0] = 2.0
    assert pulse()
    time[0] = 26.2
    assert not pulse()


def test_server_with_lifespan_reports_ready_at_startup_and_nothing_at_exit(listener: socket.socket) -> None:
    async def life() -> list[str]:
        asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        sent: list[str] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        app = lifespan(Systemd(listener.getsockname(), watchdog_seconds=60), lambda: True)
        running = asyncio.ensure_future(app({"type": "lifespan"}, asked.get, send))
        asked.put_nowait({"type": "lifespan.startup"})
        asked.put_nowait({"type": "lifespan.shutdown"})
        await running
        return sent

    assert asyncio.run(life()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert heard(listener)[0] == READY
