"""A stopping server closes its sockets by the protocol and does not wait for unresponsive clients."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.support.servers import Server
from tests.support.sockets import connect

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("command", "how"),
    [
        pytest.param(None, signal.SIGTERM, id="serve"),
        pytest.param(None, signal.SIGHUP, id="serve, its terminal closed"),
        pytest.param(["-m", "daphne", "-p", "{port}", "gpumon_site.asgi:application"], signal.SIGTERM, id="daphne"),
        pytest.param(
            ["-m", "daphne", "-p", "{port}", "gpumon_site.asgi:application"],
            signal.SIGHUP,
            id="daphne, its terminal closed",
        ),
        pytest.param(["-m", "gunicorn", "-c", "deploy/gunicorn/gunicorn.conf.py"], signal.SIGTERM, id="gunicorn"),
    ],
)
def test_open_sockets_close_with_service_restart_and_no_process_remains(
    tmp_path: Path, command: list[str] | None, how: signal.Signals
) -> None:
    command = None if command is None else [sys.executable, *command]
    before = signal.signal(
        signal.SIGHUP, signal.SIG_DFL
    )  # a server started under nohup ignores the end of its terminal
    try:
        server = Server(tmp_path, command=command, telemetry_provider="simulated", simulated_gpus=1).start()
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        with (
            connect(f"{server.ws}/ws/gpu") as feed,
            connect(f"{server.ws}/ws/gpu") as second,
            socket.create_connection(("127.0.0.1", server.port)) as idle,
        ):
            idle.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(9) == b"HTTP/1.1 "
            feed.recv(timeout=40)
            second.recv(timeout=40)
            assert server.process is not None
            children = psutil.Process(server.process.pid).children(recursive=True)
            server.process.send_signal(how)
            for each in (feed, second):
                assert close_code(each) == 1012
    finally:
        server.stop()
    assert children
    assert not psutil.wait_procs(children, timeout=40)[1]
    assert "Traceback" not in server.log


def close_code(feed: ClientConnection) -> int | None:
    """The close frame of the server; None if it cut the connection."""
    try:
        for _ in range(100):
            feed.recv(timeout=40)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
    raise AssertionError("the server goes on sending")


def test_unresponsive_client_does_not_block_shutdown(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated", simulated_gpus=1).start()
    handshake = (
        f"GET /ws/gpu HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.sendall(handshake.encode())
        assert deaf.recv(12) == b"HTTP/1.1 101"
        assert server.stop() == 0
