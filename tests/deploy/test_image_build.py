"""The image, built and run by the host's container engine on a read-only root. Collected only if an engine is running."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from tests.deploy.engine import answering_engine
from tests.support.servers import ROOT, free_port, wait_for

pytestmark = pytest.mark.slow

ENGINE = answering_engine() or "docker"
NAME = f"gpumon-test-{os.getpid()}"
"""The name of the image, the container and the volume."""
SEALED = ("--read-only", "--tmpfs", "/tmp", "--volume", f"{NAME}:/data")  # options of the container


def engine(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([ENGINE, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    engine("build", "--tag", NAME, ".")
    yield NAME
    engine("image", "rm", "--force", NAME)


@pytest.fixture
def container(image: str) -> Iterator[int]:
    """A running container; yields its port on this host."""
    port = free_port()
    settings = {"TELEMETRY_PROVIDER": "simulated", "AUTH": "none", "ALLOWED_HOSTS": ".example.com"}
    variables = [part for name, value in settings.items() for part in ("--env", f"GPU_MONITOR_{name}={value}")]
    publish = ("--publish", f"127.0.0.1:{port}:5000")
    engine("run", "--detach", "--name", NAME, *SEALED, *publish, *variables, image)
    yield port
    engine("rm", "--force", NAME)
    engine("volume", "rm", "--force", NAME)


def test_container_serves_as_its_own_user_is_healthy_and_stops_on_request(container: int, image: str) -> None:
    def is_healthy() -> bool:
        checked = engine("exec", NAME, "python", "deploy/docker/healthcheck.py", check=False)
        return checked.returncode == 0 and '"status":"ok"' in checked.stdout

    wait_for(is_healthy, "the health check to pass", seconds=60)
    request = urllib.request.Request(f"http://127.0.0.1:{container}/", headers={"Host": "gpu.example.com"})
    with urllib.request.urlopen(request, timeout=40) as page:
        assert b"data-socket=" in page.read()
    assert engine("exec", NAME, "id", "-u").stdout.strip() == "10001"
    backup = "/data/gpumon-backup.sqlite3"
    engine("exec", NAME, "python", "manage.py", "backup", backup)
    engine("stop", "--time", "20", NAME)
    assert engine("inspect", "--format", "{{.State.ExitCode}}", NAME).stdout.strip() == "0"
    logged = engine("logs", NAME)
    assert "Read-only file system" not in logged.stdout + logged.stderr
    assert (
        f"restored {backup}" in engine("run", "--rm", *SEALED, image, "python", "manage.py", "restore", backup).stdout
    )
    kept = engine("run", "--rm", *SEALED, image, "ls", "/data").stdout.split()
    assert {"gpumon.sqlite3", "secret_key"} <= set(kept)


def test_container_without_a_responding_server_is_unhealthy_with_the_reason(image: str) -> None:
    checked = engine("run", "--rm", image, "python", "deploy/docker/healthcheck.py", check=False)
    assert checked.returncode == 1
    assert "no answer on port 5000" in checked.stdout


def test_image_has_no_pip_or_compiler_and_is_read_only_for_its_user(image: str) -> None:
    script = "ls .venv/bin; find /opt /etc /usr/local -writable -not -type l; command -v gcc cc || true"
    found = engine("run", "--rm", image, "sh", "-c", script).stdout.split()
    assert "python" in found
    assert not {"pip", "pip3", "/usr/bin/gcc", "/usr/bin/cc"} & set(found)
    assert not [path for path in found if path.startswith("/")]


def test_data_folder_is_private_and_static_folder_readable_by_others(image: str) -> None:
    listed = engine("run", "--rm", image, "stat", "--format", "%a %u", "/data", "/var/cache/gpumon").stdout
    assert listed.splitlines() == ["700 10001", "755 10001"]


def test_image_contains_only_the_program(image: str) -> None:
    kept = engine("run", "--rm", image, "ls", "--almost-all", "/opt/gpumon").stdout.split()
    assert sorted(kept) == sorted(
        [".venv", "LICENSE", "deploy", "gpumon_site", "manage.py", "monitor", "static", "templates"]
    )
    config = json.loads(engine("image", "inspect", "--format", "{{json .Config}}", image).stdout)
    assert config["User"] == "10001:10001"
