"""`manage.py serve` and bare daphne, as real processes."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from monitor.config.paths import BASE_DIR
from monitor.management.commands.serve import NO_GPU
from monitor.server.data_lock import lock_data_dir
from tests.fakes.fake_driver import FakeDriver
from tests.support.prepared_folder import prepare
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow


DAPHNE = [str(Path(sys.executable).with_name("daphne")), "--port", "{port}", "gpumon_site.asgi:application"]
UNDER_NOHUP = ["env", "--ignore-signal=HUP", sys.executable, "manage.py", "serve"]


@contextmanager
def started_in_an_empty_folder(folder: Path, command: list[str]) -> Iterator[Server]:
    server = Server(folder, command=command, is_first_start=True, telemetry_provider="simulated", simulated_gpus=1)
    server.start()
    try:
        yield server
        assert server.stop() == 0
    finally:
        server.stop()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Started as by nohup."""
    with started_in_an_empty_folder(tmp_path_factory.mktemp("serve"), UNDER_NOHUP) as server:
        yield server


@pytest.fixture(scope="module")
def daphne(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started_in_an_empty_folder(tmp_path_factory.mktemp("daphne"), DAPHNE) as server:
        yield server


def test_serve_creates_the_database_prints_the_address_and_mentions_no_administrator(serve: Server) -> None:
    """A local server needs none."""
    assert serve.get("/admin/login/")[0] == 200
    assert "admin" not in server_log(serve, f"gpumon on {serve.url}")
    assert (serve.data_dir / "gpumon.sqlite3").exists()


def test_daphne_creates_the_database_and_serves_pages_static_files_and_sockets_without_serve(daphne: Server) -> None:
    assert daphne.get("/admin/login/")[0] == 200
    assert daphne.get("/static/vendor/htmx/htmx.min.js")[0] == 200
    assert (daphne.data_dir / "gpumon.sqlite3").exists()
    with connect(f"{daphne.ws}/ws/dashboard", origin=daphne.url) as page:
        assert json.loads(page.recv(timeout=40))["kind"] == "full"


def test_daphne_applies_later_settings_without_serve(daphne: Server) -> None:
    store_settings(daphne, poll_interval_ms=250)
    wait_for(lambda: daphne.json("/api/snapshot")["poll_interval_seconds"] == 0.25, "the interval of the admin")


@pytest.mark.parametrize("name", ["serve", "daphne"])
def test_connections_are_queued_while_the_server_is_busy(name: str, request: pytest.FixtureRequest) -> None:
    """Regression: Twisted's backlog of 50 dropped further handshakes, which the kernel retries after one second, then after two.
    Under the `daphne` command, a client that opened connections in a loop made one request in six of others wait so.
    """
    server: Server = request.getfixturevalue(name)
    assert server.process is not None
    try:
        server.process.send_signal(signal.SIGSTOP)
        with ExitStack() as opened:
            for _ in range(200):
                opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=0.9))
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_nohup_keeps_the_server_running_without_its_terminal(serve: Server) -> None:
    server_log(serve, f"gpumon on {serve.url}")
    assert serve.process is not None
    serve.process.send_signal(signal.SIGHUP)
    assert serve.get("/api/health")[0] in (200, 503)


def test_port_in_use_is_an_error_that_names_the_port(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        assert server.launch().wait(30) == 1
    assert f"cannot listen on 127.0.0.1 port {server.port}" in server.log
    assert "choose another one with GPU_MONITOR_PORT" in server.log


def test_server_waiting_at_startup_exits_cleanly_on_sigterm(tmp_path: Path) -> None:
    """As PID 1 of a container, a process ignores signals without a handler."""
    server = Server(tmp_path)
    with lock_data_dir(tmp_path):
        server.launch()
        wait_for(lambda: "waiting up to" in server.log, "it to wait for the data folder")
        assert server.stop() == 0


def server_log(server: Server, line: str) -> str:
    """All output, once it contains this line."""
    return wait_for(lambda: server.log if line in server.log.splitlines() else None, line)


def test_serve_lists_the_gpus_it_found_and_the_address(tmp_path: Path, fake_driver: FakeDriver) -> None:
    fake_driver.set({"gpu.*.name": "Fast Card", "gpu.2.name": "Slow Card"}, gpus=3)
    server = Server(tmp_path, fake_driver.env).start()
    try:
        for line in ("gpumon: 3 GPUs via NVML: 2 × Fast Card, Slow Card", f"gpumon on {server.url}"):
            assert server_log(server, line).splitlines().count(line) == 1
    finally:
        server.stop()


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


def store_settings(server: Server, **values: object) -> None:
    """As the admin stores them."""
    server.sql(
        "INSERT INTO monitor_sitesettings (id, overrides, updated_at) VALUES (1, ?, datetime('now'))",
        json.dumps(values),
    )


def test_stored_settings_apply_at_startup_and_the_environment_overrides_them(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated", ws_max_rate_hz=9)
    store_settings(server, poll_interval_ms=300, ws_max_rate_hz=3, log_level="loud")
    server.start()
    try:
        found = {setting["name"]: setting for setting in server.json("/api/config")["settings"]}
    finally:
        server.stop()
    told = [(found[f"GPU_MONITOR_{name}"]["value"], found[f"GPU_MONITOR_{name}"]["source"])
            for name in ("POLL_INTERVAL_MS", "WS_MAX_RATE_HZ", "LOG_LEVEL")]  # fmt: skip
    assert told == [(300, "admin"), (9, "environment"), ("INFO", "default")]
    assert "GPU_MONITOR_LOG_LEVEL=loud is invalid: must be one of" in server.log


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


def users(folder: Path) -> dict[str, str]:
    """The names of the superusers in this data folder, and the hashes of their passwords."""
    with contextlib.closing(sqlite3.connect(folder / "gpumon.sqlite3")) as database:
        return dict(database.execute("SELECT username, password FROM auth_user WHERE is_superuser"))


def test_demo_prints_a_login_that_works_and_keeps_it(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    demo.mkdir(mode=0o700)
    prepare(demo)
    command = [sys.executable, "-m", "gpumon_site.cli", "demo"]
    server = Server(tmp_path, command=command, is_first_start=True).start()
    try:
        printed = re.findall(r"^gpumon: admin account of this demo: demo, password (\S+)$", server.log, re.MULTILINE)
        assert len(printed) == 1
        assert server_log(server, f"gpumon on {server.url}")
        assert PBKDF2PasswordHasher().verify(printed[0], users(demo)["demo"])
        assert (demo / "demo_password").stat().st_mode & 0o077 == 0
        server.stop()
        server.start()
        assert set(re.findall(r"demo, password (\S+)$", server.log, re.MULTILINE)) == set(printed)
    finally:
        server.stop()


def test_admin_without_a_terminal_is_an_error(tmp_path: Path) -> None:
    """Regression: it ended with status 0, but no account was created."""
    create = [sys.executable, "-m", "gpumon_site.cli", "admin"]
    environment = Server(tmp_path).environment
    ended = subprocess.run(
        create, cwd=BASE_DIR, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "needs a terminal (over SSH: ssh -t)" in ended.stderr


def test_admin_account_is_created_in_the_data_of_whichever_server_runs(tmp_path: Path) -> None:
    create = [sys.executable, "-m", "gpumon_site.cli", "admin", "--noinput", "--username", "mira", "--email", ""]
    server = Server(tmp_path)
    demo = tmp_path / "demo"
    demo.mkdir(mode=0o700)
    prepare(demo)

    def created() -> list[bool]:
        """Whether the account exists, in the data of the server and of the demo."""
        environment = {**server.environment, "DJANGO_SUPERUSER_PASSWORD": "correct horse battery"}
        subprocess.run(create, cwd=BASE_DIR, env=environment, check=True, capture_output=True)
        return ["mira" in users(each) for each in (tmp_path, demo)]

    with lock_data_dir(demo):
        assert created() == [False, True]
    with lock_data_dir(tmp_path):
        assert created() == [True, True]
