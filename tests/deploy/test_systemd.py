"""The systemd units: installed into a folder, checked by systemd's own tools, started as systemd starts them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.deploy.checkers import checker
from tests.deploy.commands import COMMANDS
from tests.deploy.listening import NotifySocket
from tests.deploy.units import AGENT, ENGINE, PREFIX, UNITS, allowed_calls, calls_in, install, locks, unit, values
from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import ROOT, Server, wait_for

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time and bytes of every file except packages."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".venv" not in path.parts and path.suffix != ".pyc"
    }


def test_repeated_installation_changes_nothing(installed: Path) -> None:
    before = contents(installed)
    install(installed)
    after = contents(installed)
    assert after.keys() == before.keys()
    assert {name for name in before if after[name][::2] != before[name][::2]} == set()
    program = {name for name in before if name.startswith("opt/")}
    assert {name for name in program if after[name] != before[name]} == set()


def test_upgrade_keeps_the_administrators_settings_and_removes_obsolete_files(installed: Path) -> None:
    settings = installed / "etc/gpumon/gpumon.env"
    before = settings.read_text()
    settings.write_text("GPU_MONITOR_PORT=5001\n")
    stale = installed / "opt/gpumon/monitor/of_an_older_version.py"
    stale.write_text("")
    install(installed)
    assert settings.read_text() == "GPU_MONITOR_PORT=5001\n"
    assert not stale.exists()
    settings.write_text(before)


def test_packages_are_reinstalled_if_their_python_is_gone(tmp_path: Path) -> None:
    """A system upgrade can remove the environment's Python while the lock file stays the same."""
    environment = tmp_path / PREFIX.lstrip("/") / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to("/usr/bin/python3.0")
    summed = subprocess.run(["sha256sum"], input=locks(), capture_output=True, check=True).stdout
    (environment / "installed.sha256").write_bytes(summed)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho asked for "$@"; exit 9\n')
    python.chmod(0o755)
    ended = subprocess.run(
        ["bash", "deploy/systemd/install"],
        cwd=ROOT,
        env={**os.environ, "DESTDIR": str(tmp_path), "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (9, f"asked for -m venv --clear {environment}")


def test_settings_file_is_readable_by_root_only_and_lists_every_variable(installed: Path) -> None:
    settings = installed / "etc/gpumon/gpumon.env"
    assert oct(settings.stat().st_mode)[-3:] == "600"
    assert settings.read_text() == (ROOT / ".env.example").read_text()


def test_installation_without_root_and_without_a_folder_is_refused() -> None:
    ended = subprocess.run(
        ["unshare", "--user", "bash", "deploy/systemd/install"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "run it as root, or with DESTDIR set" in ended.stderr


@pytest.mark.parametrize("name", [*UNITS, AGENT, ENGINE])
def test_systemd_reports_no_issue_in_the_units(installed: Path, name: str, tmp_path: Path) -> None:
    text = unit(installed, name).replace(PREFIX, str(installed / PREFIX.lstrip("/")))
    (tmp_path / name).write_text(text)
    ended = subprocess.run(
        [checker("systemd-analyze"), "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", [*UNITS, AGENT, ENGINE])
def test_systemd_rates_the_exposure_as_low(installed: Path, name: str) -> None:
    """At most 3.0 of 10; comments in the unit explain what is still allowed."""
    path = installed / "etc/systemd/system" / name
    ended = subprocess.run(
        [checker("systemd-analyze"), "security", "--offline=true", "--threshold=30", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-300:]


@pytest.mark.parametrize("name", [*UNITS, AGENT])
def test_units_allow_what_reading_needs(installed: Path, name: str) -> None:
    text = unit(installed, name)
    assert values(text, "DeviceAllow") == ["char-nvidia* rw", "char-drm rw"]
    assert not values(text, "PrivateDevices")
    assert (values(text, "ProtectProc"), values(text, "ProcSubset")) == (["default"], ["all"])


def test_engine_reads_no_gpu_and_waits_for_its_turn_for_ever(installed: Path) -> None:
    text = unit(installed, ENGINE)
    assert values(text, "PrivateDevices") == ["yes"]
    assert (values(text, "Restart"), values(text, "StartLimitIntervalSec")) == (["always"], ["0"])
    assert values(text, "StateDirectory") != values(unit(installed, UNITS[0]), "StateDirectory")


@pytest.mark.parametrize("name", UNITS)
def test_units_bound_what_the_service_takes_from_a_host_that_computes(installed: Path, name: str) -> None:
    text = unit(installed, name)
    limits = {key: values(text, key) for key in ("LimitNOFILE", "MemoryMax", "TasksMax", "OOMScoreAdjust", "CPUWeight")}
    assert limits == {
        "LimitNOFILE": ["65536"],
        "MemoryMax": ["1G"],
        "TasksMax": ["256"],
        "OOMScoreAdjust": ["500"],
        "CPUWeight": ["50"],
    }
    assert "PYTHONPATH" in values(text, "UnsetEnvironment")[0].split()


def test_the_two_units_differ_only_in_the_server(installed: Path) -> None:
    one, other = (
        [line for line in unit(installed, name).splitlines() if line and not line.startswith("#")] for name in UNITS
    )
    assert {line.partition("=")[0] for line in set(one) ^ set(other)} == {
        *("ExecStart", "SyslogIdentifier", "NotifyAccess", "Conflicts", "RuntimeDirectory")
    }


@pytest.fixture(params=UNITS)
def service(request: pytest.FixtureRequest, installed: Path, tmp_path: Path) -> Iterator[tuple[Server, NotifySocket]]:
    """The command of the unit, run from its installation folder with systemd's variables."""
    text = unit(installed, request.param)
    (command,) = values(text, "ExecStart")
    folder = installed / PREFIX.lstrip("/")
    notify = NotifySocket(tmp_path, watchdog_seconds=0.2)
    server = Server(
        tmp_path,
        notify.environment,
        ["env", "-C", str(folder), *shlex.split(command.replace(PREFIX, str(folder)))],
        telemetry_provider="simulated",
        auth="none",
    )
    server.start()
    yield server, notify
    server.stop()
    notify.close()


def test_service_reports_ready_alive_and_stopping(service: tuple[Server, NotifySocket]) -> None:
    server, notify = service
    notify.wait_for("READY=1")
    assert server.get("/api/schema")[0] == 200
    notify.wait_for("WATCHDOG=1", times=5)
    assert server.stop(signal.SIGTERM, seconds=20) == 0
    said = [message for message in notify.heard() if message != "WATCHDOG=1"]  # it can still follow during shutdown
    assert said.count("READY=1") == 1
    assert said[-1] == "STOPPING=1"


def test_service_that_cannot_start_exits_without_reporting_ready(installed: Path, tmp_path: Path) -> None:
    text = unit(installed, "gpumon-gunicorn.service")
    folder = installed / PREFIX.lstrip("/")
    notify = NotifySocket(tmp_path, watchdog_seconds=10)
    ended = subprocess.run(
        shlex.split(values(text, "ExecStart")[0].replace(PREFIX, str(folder))),
        cwd=folder,
        env={**os.environ, **notify.environment, "GPU_MONITOR_DATA_DIR": "/proc/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 3
    assert "must be a writable directory" in ended.stderr
    assert "READY=1" not in notify.heard()
    notify.close()


@pytest.mark.parametrize(("name", "kind"), list(zip(UNITS, COMMANDS, strict=True)))
def test_service_makes_no_system_call_that_its_filter_refuses(
    installed: Path, name: str, kind: str, tmp_path: Path, fake_driver: FakeDriver
) -> None:
    fake_driver.set(gpus=2)
    counted = tmp_path / "calls"
    command = COMMANDS[kind] or [sys.executable, "manage.py", "serve"]
    server = Server(
        tmp_path,
        dict(fake_driver.env),
        [checker("strace"), "-f", "-qq", "-c", "-o", str(counted), *command],
        telemetry_provider="pynvml",
        auth="none",
    ).start()
    try:
        wait_for(lambda: server.health()["gpu_count"] == 2, "both GPUs")
        assert server.get("/admin/login/")[0] == 200
    finally:
        assert server.process is not None
        for child in psutil.Process(server.process.pid).children():
            child.terminate()  # strace itself would only detach
        server.process.wait(30)
    made = calls_in(counted)
    assert "listen" in made
    assert made - allowed_calls(unit(installed, name)) == set()


def test_nvml_works_without_capabilities_and_executable_memory(tmp_path: Path, fake_driver: FakeDriver) -> None:
    command = [sys.executable, str(ROOT / "tests/deploy/mdwe.py")]
    if subprocess.run([*command, "true"], check=False).returncode != 0:
        pytest.skip("the kernel has no PR_SET_MDWE: it takes 6.3 or newer")
    fake_driver.set(gpus=2)
    if os.geteuid() == 0:
        command += ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    server = Server(
        tmp_path,
        {**fake_driver.env},
        [*command, sys.executable, "manage.py", "serve"],
        telemetry_provider="pynvml",
        poll_interval_ms=200,
    ).start()
    try:
        wait_for(lambda: server.health()["gpu_count"] == 2, f"both GPUs; the log:\n{server.log}")
    finally:
        server.stop()


def test_manage_runs_with_the_user_settings_and_folders_of_the_service(installed: Path, tmp_path: Path) -> None:
    """Without gpumon.env, an account would be created in a database that the service does not use."""
    program = tmp_path / "systemd-run"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    given = subprocess.run(
        [installed / PREFIX.lstrip("/") / "manage", "changepassword", "a$b c"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    text = unit(installed, UNITS[0])
    assert f"--uid={values(text, 'User')[0]}" in given
    assert f"--working-directory={values(text, 'WorkingDirectory')[0]}" in given
    assert f"--property=EnvironmentFile={values(text, 'EnvironmentFile')[0]}" in given
    folders = {f"--setenv={each}" for each in values(text, "Environment") if "_DIR=" in each}
    assert len(folders) == 2
    assert folders <= set(given)
    assert given[-4:] == [f"{PREFIX}/.venv/bin/python", "manage.py", "changepassword", "a$$b c"]


@pytest.mark.parametrize("name", [*UNITS, AGENT, ENGINE])
def test_units_start_again_without_limit_and_have_their_name_in_the_journal(installed: Path, name: str) -> None:
    text = unit(installed, name)
    assert (values(text, "StartLimitIntervalSec"), values(text, "StartLimitBurst")) == (["0"], [])
    assert values(text, "SyslogIdentifier") == [name.removesuffix(".service")]
