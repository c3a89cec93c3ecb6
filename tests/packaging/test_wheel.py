"""The wheel, installed into a fresh environment: the `gpumon` command works in an empty folder, without the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from monitor.config.paths import BASE_DIR
from monitor.version import __version__
from tests.support.servers import Server
from tests.support.sockets import connect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with the build backend of the development lock, so that no package index is contacted."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", folder, BASE_DIR)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`gpumon` in a fresh environment with the packages of requirements.lock, linked from that of the tests, and no others."""
    environment = tmp_path_factory.mktemp("installed") / "env"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    for name in re.findall(r"^([a-z0-9-]+)==", (BASE_DIR / "requirements.lock").read_text(), re.MULTILINE):
        held = distribution(name)
        for entry in {file.parts[0] for file in held.files or ()} - {"..", "__pycache__"}:
            if not (packages / entry).exists():
                (packages / entry).symlink_to(str(held.locate_file(entry)))
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python")
    run(*pip, "install", "-q", "--no-index", "--no-deps", wheel)
    run(*pip, "check")  # the wheel's requirements are among them
    return environment / "bin" / "gpumon"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The working directory of the commands."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The environment variables, with an empty home folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GPU_MONITOR_", "XDG_"))}
    return {**clean, "HOME": str(tmp_path / "home")}


@pytest.fixture(scope="module")
def demo(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run in a folder with files named like our modules and Python's."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "elsewhere" / "monitor").mkdir(parents=True)
    (folder / "elsewhere" / "monitor" / "__init__.py").write_text("raise ImportError('not this one')")
    (folder / "elsewhere" / "logging.py").write_text("raise ImportError('nor this one')")
    server = Server(folder, is_first_start=True, command=[str(command), "demo"], folder=folder / "elsewhere").start()
    yield server
    assert server.stop() == 0


def run(*arguments: object, status: int = 0, **options: object) -> str:
    """Standard output and error of a program that exits with this status."""
    ended = subprocess.run(
        [str(argument) for argument in arguments], check=False, capture_output=True, text=True, **options
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_wheel_contains_exactly_the_files_that_the_checkout_serves(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()
    tracked = run("git", "ls-files", "monitor", "gpumon_site", "templates", "static", cwd=BASE_DIR).splitlines()
    packed = {
        f"monitor/files/{path}" if path.startswith(("templates/", "static/")) else path
        for path in tracked
        if (BASE_DIR / path).exists()
    }
    assert packed <= set(held)
    assert f"gpumon-{__version__}.dist-info/licenses/LICENSE" in held
    assert {path.partition("/")[0] for path in held} == {"gpumon_site", "monitor", f"gpumon-{__version__}.dist-info"}
    assert not [path for path in held if re.search(r"\btests?\b|__pycache__|\.env|sqlite3$", path)]


def test_wheel_has_the_requirements_of_requirements_txt(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(f"gpumon-{__version__}.dist-info/METADATA").decode()
    asked = {name.lower() for name in re.findall(r"^Requires-Dist: ([\w-]+)", metadata, re.MULTILINE)}
    assert asked == {
        name.lower() for name in re.findall(r"^([\w-]+)", (BASE_DIR / "requirements.txt").read_text(), re.MULTILINE)
    }


def test_help_lists_the_commands_and_version_matches_the_wheel(
    command: Path, empty: Path, variables: dict[str, str]
) -> None:
    told = run(command, cwd=empty, env=variables)
    assert set(re.findall(r"^    (\w+) ", told, re.MULTILINE)) >= {"serve", "demo", "doctor", "snapshot", "manage"}
    assert run(command, "--version", cwd=empty, env=variables) == f"gpumon {__version__}\n"
    assert "choose from" in run(command, "nonsense", status=2, cwd=empty, env=variables)


def test_snapshots_are_printed_without_a_server(command: Path, empty: Path, variables: dict[str, str]) -> None:
    arguments = ("--stream", "--count", "2", "--interval", "0.1", "--provider", "simulated")
    lines = run(command, "snapshot", *arguments, cwd=empty, env=variables).splitlines()
    assert [len(json.loads(line)["gpus"]) for line in lines] == [8, 8]
    assert "usage: gpumon snapshot" in run(command, "snapshot", "--help", cwd=empty, env=variables)


def test_doctor_and_other_commands_store_data_in_the_home_folder(
    command: Path, empty: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    simulated = {**variables, "GPU_MONITOR_TELEMETRY_PROVIDER": "simulated"}
    assert "✓ simulated: in use." in run(command, "doctor", cwd=empty, env=simulated)
    run(command, "manage", "migrate", cwd=empty, env=variables)
    data = tmp_path / "home" / ".local" / "share" / "gpumon"
    assert {path.name for path in data.iterdir()} >= {"gpumon.sqlite3", "secret_key"}
    assert list(empty.iterdir()) == []


def test_settings_are_read_from_the_home_folder_and_from_the_current_one(
    command: Path, empty: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    settings = tmp_path / "home" / ".config" / "gpumon" / ".env"
    settings.parent.mkdir(parents=True)
    settings.write_text("GPU_MONITOR_PORT=none\n")
    assert "GPU_MONITOR_PORT=none is invalid" in run(command, "manage", "check", status=1, cwd=empty, env=variables)
    (empty / ".env").write_text("GPU_MONITOR_PORT=5001\n")
    run(command, "manage", "check", cwd=empty, env=variables)


def test_demo_serves_pages_static_files_the_admin_and_readings(demo: Server) -> None:
    status, page = demo.get("/")
    assert status == 200
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+\.(?:css|js))"', page))
    assert any(re.search(r"/css/gpumon\.\w+\.css$", file) for file in files)
    assert {file: demo.get(file)[0] for file in files} == dict.fromkeys(files, 200)
    assert demo.get("/admin/login/?next=/admin/")[0] == 200
    with connect(f"{demo.ws}/ws/gpu") as feed:
        snapshot = json.loads(feed.recv(timeout=40))
    assert snapshot["is_simulated"]
    assert len(snapshot["gpus"]) == 8


def test_demo_data_are_separate_from_those_of_real_gpus(demo: Server) -> None:
    names = {path.name for path in demo.data_dir.iterdir() if path.is_dir()}
    assert "demo" in names
    assert not (demo.data_dir / "gpumon.sqlite3").exists()
    assert (demo.data_dir / "demo" / "gpumon.sqlite3").exists()
