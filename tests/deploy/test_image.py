"""The image: built by the Dockerfile's own steps, started as its own user, on a root that cannot be written."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.deploy.dockerfile import Image, Stage, instructions, sent_to_the_builder
from tests.support.servers import ROOT, free_port, wait_for

pytestmark = pytest.mark.slow


def may_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is sent to the builder: the files of the checkout that .dockerignore lets through."""
    folder = tmp_path_factory.mktemp("context")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in sent_to_the_builder((ROOT / ".dockerignore").read_text(), listed):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def image(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The finished image, sealed."""
    if not may_mount():
        pytest.skip("building the image without Docker takes root, for chroot and mounts")
    image = Image(context, tmp_path_factory.mktemp("image"))
    try:
        image.build()
        image.last.seal()
        yield image.last
    finally:
        image.close()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_container_serves_as_its_own_user_is_healthy_and_ends_when_told(image: Stage, tmp_path: Path) -> None:
    port = free_port()
    variables = {
        "GPU_MONITOR_PORT": str(port),
        "GPU_MONITOR_TELEMETRY_PROVIDER": "simulated",
        "GPU_MONITOR_AUTH": "none",
        "GPU_MONITOR_ALLOWED_HOSTS": ".example.com",
    }
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(image.inside(image.command, variables), stdout=log, stderr=log)
    try:

        def is_healthy() -> bool:
            assert running.poll() is None, (tmp_path / "log").read_text()
            checked = subprocess.run(image.inside(image.healthcheck, variables), capture_output=True, check=False)
            return checked.returncode == 0 and b'"status":"ok"' in checked.stdout

        wait_for(is_healthy, "the health check to pass")
        assert psutil.Process(running.pid).uids().effective == 10001
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": "gpu.example.com"})
        with urllib.request.urlopen(request, timeout=10) as page:
            assert b"data-socket=" in page.read()
        backup = ["python", "manage.py", "backup", "/data/gpumon-backup.sqlite3"]
        subprocess.run(image.inside(backup, variables), check=True, capture_output=True)
    finally:
        running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 0
    assert "Read-only file system" not in (tmp_path / "log").read_text()
    restore = ["python", "manage.py", "restore", "/data/gpumon-backup.sqlite3"]
    told = subprocess.run(image.inside(restore, variables), check=True, capture_output=True, text=True).stdout
    assert "restored /data/gpumon-backup.sqlite3" in told
    listed = subprocess.run(image.inside(["ls", "/data", "/var/cache/gpumon"]), capture_output=True, check=True).stdout
    assert {b"gpumon.sqlite3", b"secret_key", b"static"} <= set(listed.split())


def test_the_container_without_an_answering_server_is_unhealthy_and_says_why(image: Stage) -> None:
    port = free_port()
    checked = subprocess.run(
        image.inside(image.healthcheck, {"GPU_MONITOR_PORT": str(port)}), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 1
    assert f"no answer on port {port}" in checked.stdout


def test_the_image_holds_neither_pip_nor_a_compiler_and_its_user_may_change_nothing(image: Stage) -> None:
    script = "ls .venv/bin; find /opt /etc /usr/local -writable -not -type l; command -v gcc cc || true"
    found = subprocess.run(
        image.inside(["sh", "-c", script]), capture_output=True, text=True, check=True
    ).stdout.split()
    assert "python" in found
    assert not {"pip", "pip3", "/usr/bin/gcc", "/usr/bin/cc"} & set(found)
    assert not [path for path in found if path.startswith("/")]


def test_the_data_folder_is_closed_and_the_static_folder_open_to_others(image: Stage) -> None:
    assert oct((image.upper / "data").stat().st_mode)[-3:] == "700"
    assert oct((image.upper / "var/cache/gpumon").stat().st_mode)[-3:] == "755"
    assert {(image.upper / path.lstrip("/")).stat().st_uid for path in image.volumes} == {10001}


def test_nothing_but_the_program_is_sent_to_the_builder(context: Path) -> None:
    sent = sent_to_the_builder(
        (ROOT / ".dockerignore").read_text(),
        [".env", "data/secret_key", ".git/config", "monitor/apps.py", "monitor/__pycache__/a.pyc", "deploy/.env"],
    )
    assert sent == ["monitor/apps.py"]
    assert {path.name for path in context.iterdir()} == {
        *("Dockerfile", "LICENSE", "deploy", "gpumon_site", "manage.py", "monitor", "requirements.lock", "static"),
        "templates",
    } - {"Dockerfile"}


def test_the_toolkit_is_asked_for_what_reading_takes_and_no_more() -> None:
    settings = " ".join(line.rest for line in instructions((ROOT / "Dockerfile").read_text()) if line.name == "ENV")
    assert "NVIDIA_VISIBLE_DEVICES=all" in settings
    assert "NVIDIA_DRIVER_CAPABILITIES=utility" in settings


def test_the_last_stage_runs_as_nobody_in_particular_by_number() -> None:
    """By number: Kubernetes' runAsNonRoot cannot judge a name."""
    users = [line.rest for line in instructions((ROOT / "Dockerfile").read_text()) if line.name == "USER"]
    assert users == ["10001:10001"]
