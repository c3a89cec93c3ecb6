"""deploy/pm2 under real PM2: it starts the server, reports it online, and stops it gracefully."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.checkers import checker
from tests.support.servers import ROOT, Server, wait_for

pytestmark = pytest.mark.slow

Pm2 = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that PM2 accepts as the project's, with the Python of the tests in .venv."""
    folder = tmp_path / "project"
    (folder / "deploy").mkdir(parents=True)
    shutil.copytree(ROOT / "deploy" / "pm2", folder / "deploy" / "pm2")
    for name in ("manage.py", "gpumon_site", "monitor", "templates", "static"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """The address and data folder of the server that PM2 starts."""
    (tmp_path / "data").mkdir()
    return Server(tmp_path / "data", telemetry_provider="simulated", poll_interval_ms=200, auth="none")


@pytest.fixture
def pm2(tmp_path: Path, server: Server) -> Iterator[Pm2]:
    """`pm2("start", …)`: a PM2 with its own home folder, whose daemon is stopped afterwards."""
    environment = {**server.environment, "PM2_HOME": str(tmp_path / "pm2"), "NO_COLOR": "1", "CI": "true"}

    def pm2(*arguments: str) -> str:
        ended = subprocess.run(
            [checker("pm2"), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    yield pm2
    pm2("kill")


def described(pm2: Pm2) -> Any:
    listed = pm2("jlist")
    (process,) = json.loads(listed[listed.index("[{") :])
    return process


def test_pm2_starts_the_server_and_stops_it_gracefully(project: Path, server: Server, pm2: Pm2, tmp_path: Path) -> None:
    pm2("start", str(project / "deploy/pm2/ecosystem.config.cjs"))
    wait_for(lambda: _status(server) == 200, "the server to answer")
    process = described(pm2)
    assert (process["name"], process["pm2_env"]["status"]) == ("gpumon", "online")
    assert Path(f"/proc/{process['pid']}/cwd").readlink() == project
    sampler = server.health()["sampler_pid"]
    pm2("stop", "gpumon")
    stopped = described(pm2)
    assert (stopped["pm2_env"]["status"], stopped["pm2_env"]["exit_code"]) == ("stopped", 0)
    assert not Path(f"/proc/{sampler}").exists()
    assert "Traceback" not in "".join(path.read_text() for path in (tmp_path / "pm2" / "logs").iterdir())


def _status(server: Server) -> int | None:
    try:
        return server.get("/api/health")[0]
    except OSError:
        return None
