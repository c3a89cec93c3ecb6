"""The container's health check, against an HTTP server of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.servers import ROOT, free_port

pytestmark = pytest.mark.slow


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"ok"}')

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def check(port: int, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "deploy/docker/healthcheck.py"],
        cwd=ROOT,
        env={**os.environ, "GPU_MONITOR_PORT": str(port), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_own_loopback_is_asked_without_a_proxy(port: int, name: str) -> None:
    """Regression: Docker gives http_proxy to every container, and the check reported a healthy server as unhealthy."""
    ended = check(port, **{name: f"http://127.0.0.1:{free_port()}"})
    assert (ended.returncode, ended.stdout) == (0, '{"status":"ok"}\n')


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1", "localhost"])
def test_server_is_asked_where_it_listens(port: int, host: str) -> None:
    assert check(port, GPU_MONITOR_HOST=host).returncode == 0


def test_missing_server_is_unhealthy() -> None:
    port = free_port()
    ended = check(port, GPU_MONITOR_HOST="::")
    assert ended.returncode == 1
    assert f"no answer on port {port}" in ended.stdout
