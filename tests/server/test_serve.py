"""`manage.py serve` and bare daphne, as real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest

from monitor.config.paths import BASE_DIR
from monitor.management.commands.serve import NO_GPU
from monitor.server.data_lock import lock_data_dir
from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@contextmanager
def started(arguments: list[str], data_dir: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    variables = {
        "GPU_MONITOR_DATA_DIR": str(data_dir),
        "GPU_MONITOR_PORT": str(port),
        "GPU_MONITOR_TELEMETRY_PROVIDER": "simulated",
    }
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def status_of(url: str, process: subprocess.Popen[str]) -> int:
    """The status of the first response; waits until the server is up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return int(response.status)
        except HTTPError as error:
            error.close()
            return error.code
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_serve_creates_the_database_prints_the_address_and_stops_on_sigterm(tmp_path: Path, port: int) -> None:
    with started(["manage.py", "serve"], tmp_path, port) as process:
        assert status_of(f"http://127.0.0.1:{port}/admin/login/", process) == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"gpumon on http://127.0.0.1:{port}" in output.splitlines()
    assert (tmp_path / "gpumon.sqlite3").exists()


def test_port_in_use_is_an_error_that_names_the_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(["manage.py", "serve"], tmp_path, port) as process:
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in output


def test_server_waiting_at_startup_exits_cleanly_on_sigterm(tmp_path: Path) -> None:
    """As PID 1 of a container, a process ignores signals without a handler."""
    server = Server(tmp_path)
    with lock_data_dir(tmp_path):
        server.launch()
        wait_for(lambda: "waiting up to" in server.log, "it to wait for the data folder")
        assert server.stop() == 0


DAPHNE = [sys.executable, "-m", "daphne", "--port", "{port}", "gpumon_site.asgi:application"]


@pytest.mark.parametrize("command", [None, DAPHNE], ids=["serve", "daphne"])
def test_connections_are_queued_while_the_server_is_busy(tmp_path: Path, command: list[str] | None) -> None:
    """Regression: Twisted's backlog of 50 dropped further handshakes, which the kernel retries after one second, then after two.
    Under the `daphne` command, a client that opened connections in a loop made one request in six of others wait so.
    """
    server = Server(tmp_path, command=command, telemetry_provider="simulated").start()
    assert server.process is not None
    try:
        server.process.send_signal(signal.SIGSTOP)
        with ExitStack() as opened:
            for _ in range(200):
                opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=0.9))
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.stop()


def test_daphne_serves_pages_and_static_files_without_serve(tmp_path: Path, port: int) -> None:
    command = ["-m", "daphne", "--port", str(port), "gpumon_site.asgi:application"]
    with started(command, tmp_path, port) as process:
        assert status_of(f"http://127.0.0.1:{port}/admin/login/", process) == 200
        assert status_of(f"http://127.0.0.1:{port}/static/vendor/htmx/htmx.min.js", process) == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def server_log(server: Server, line: str) -> str:
    """All output, once it contains this line."""
    return wait_for(lambda: server.log if line in server.log.splitlines() else None, line)


def test_serve_lists_the_gpus_it_found_and_then_the_address(tmp_path: Path, fake_driver: FakeDriver) -> None:
    fake_driver.set({"gpu.*.name": "Fast Card", "gpu.2.name": "Slow Card"}, gpus=3)
    server = Server(tmp_path, fake_driver.env).start()
    try:
        lines = server_log(server, f"gpumon on {server.url}").splitlines()
    finally:
        server.stop()
    assert lines[-2:] == ["gpumon: 3 GPUs via NVML: 2 × Fast Card, Slow Card", f"gpumon on {server.url}"]


def test_serve_reports_that_it_found_no_gpu_and_logs_why(tmp_path: Path, fake_driver: FakeDriver) -> None:
    fake_driver.set(init=9)
    server = Server(tmp_path, {**fake_driver.env, "PATH": "/nonexistent"}).start()
    try:
        log = server_log(server, f"gpumon: {NO_GPU}")
    finally:
        server.stop()
    for reason in ("kernel module is not loaded", "`nvidia-smi` is not in PATH", "`nvtop` is not in PATH"):
        assert log.count(reason) == 1


def test_serve_delays_the_gpu_line_while_the_driver_hangs_and_serves_meanwhile(
    tmp_path: Path, fake_driver: FakeDriver
) -> None:
    fake_driver.set({"hang.nvmlInitWithFlags": 1}, gpus=1)
    server = Server(tmp_path, fake_driver.env, sampler_timeout_ms=500, poll_interval_ms=100).start()
    try:
        assert server.get("/")[0] == 200
        assert "gpumon: " not in server.log
        server_log(server, f"gpumon on {server.url}")
        fake_driver.set({"hang.nvmlInitWithFlags": 0})
        wait_for(lambda: "gpumon: 1 GPU via NVML: " in server.log, "what was found")
    finally:
        server.stop()


def test_local_server_needs_no_administrator_and_mentions_none(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated").start()
    try:
        assert "admin" not in server_log(server, f"gpumon on {server.url}")
    finally:
        server.stop()


SET = (
    "from monitor.models import SiteSettings; SiteSettings.objects.update_or_create(pk=1, defaults={{'overrides': {}}})"
)


def test_daphne_creates_the_database_and_applies_later_settings_without_serve(tmp_path: Path) -> None:
    server = Server(tmp_path, command=DAPHNE, telemetry_provider="simulated").start()
    try:
        server.manage("shell", "-c", SET.format('{"poll_interval_ms": 250}'))
        wait_for(lambda: server.json("/api/snapshot")["poll_interval_seconds"] == 0.25, "the interval of the admin")
    finally:
        server.stop()


def test_stored_settings_apply_at_startup_and_the_environment_overrides_them(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated", ws_max_rate_hz=9)
    server.manage("migrate", "--verbosity", "0")
    server.manage("shell", "-c", SET.format('{"poll_interval_ms": 300, "ws_max_rate_hz": 3, "log_level": "loud"}'))
    server.start()
    try:
        found = {setting["name"]: setting for setting in server.json("/api/config")["settings"]}
    finally:
        server.stop()
    told = [(found[f"GPU_MONITOR_{name}"]["value"], found[f"GPU_MONITOR_{name}"]["source"])
            for name in ("POLL_INTERVAL_MS", "WS_MAX_RATE_HZ", "LOG_LEVEL")]  # fmt: skip
    assert told == [(300, "admin"), (9, "environment"), ("INFO", "default")]
    assert "GPU_MONITOR_LOG_LEVEL=loud is invalid: must be one of" in server.log


def test_nohup_keeps_the_server_running_without_its_terminal(tmp_path: Path) -> None:
    command = ["env", "--ignore-signal=HUP", sys.executable, "manage.py", "serve"]
    server = Server(tmp_path, command=command, telemetry_provider="simulated", simulated_gpus=1).start()
    try:
        wait_for(lambda: "gpumon on" in server.log, "the address")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        assert server.get("/api/health")[0] in (200, 503)
    finally:
        server.stop()


def test_server_with_closed_streams_serves_and_writes_into_no_socket(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "manage.py", "serve"]
    server = Server(tmp_path, command=command, telemetry_provider="simulated", simulated_gpus=1).start()
    try:
        wait_for(lambda: server.health()["status"] == "ok", "the first reading")
        assert server.process is not None
        streams = [Path(f"/proc/{server.process.pid}/fd/{number}").readlink() for number in range(3)]
        assert streams == [Path("/dev/null")] * 3
    finally:
        server.stop()


def test_demo_prints_a_login_that_works_and_keeps_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gpumon_site.cli", "demo"]
    server = Server(tmp_path, command=command).start()
    try:
        printed = re.findall(r"^gpumon: admin account of this demo: demo, password (\S+)$", server.log, re.MULTILINE)
        assert len(printed) == 1
        assert server_log(server, f"gpumon on {server.url}")
        check = (
            "from django.contrib.auth import authenticate as a; print(a(username='demo', password={!r}).is_superuser)"
        )
        in_demo = {"GPU_MONITOR_DATA_DIR": str(tmp_path / "demo")}
        assert server.manage("shell", "-v0", "-c", check.format(printed[0]), **in_demo).strip() == "True"
        assert (tmp_path / "demo" / "demo_password").stat().st_mode & 0o077 == 0
        server.stop()
        server.start()
        assert set(re.findall(r"demo, password (\S+)$", server.log, re.MULTILINE)) == set(printed)
    finally:
        server.stop()


def test_admin_account_is_created_in_the_data_of_whichever_server_runs(tmp_path: Path) -> None:
    create = [sys.executable, "-m", "gpumon_site.cli", "admin", "--noinput", "--username", "mira", "--email", ""]
    count = "from django.contrib.auth.models import User; print(User.objects.filter(username='mira').count())"
    server = Server(tmp_path)

    def created() -> list[str]:
        """Whether the account exists, in the data of the server and of the demo."""
        environment = {**server.environment, "DJANGO_SUPERUSER_PASSWORD": "correct horse battery"}
        subprocess.run(create, cwd=BASE_DIR, env=environment, check=True, capture_output=True)
        folders = (tmp_path, tmp_path / "demo")
        return [server.manage("shell", "-v0", "-c", count, GPU_MONITOR_DATA_DIR=str(each)).strip() for each in folders]

    server.manage("migrate", "-v0", GPU_MONITOR_DATA_DIR=str(tmp_path / "demo"))
    with lock_data_dir(tmp_path / "demo"):
        server.manage("migrate", "-v0")
        assert created() == ["0", "1"]
    with lock_data_dir(tmp_path):
        assert created() == ["1", "1"]
