"""`make install`, with stand-ins for Python and uv: what it says, which installer it uses, and what it hides from them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

PYTHON = """#!/bin/sh
echo "python $* [$PIP_USER|$PYTHONPATH|$PIP_TARGET]" >> "$CALLS"
case "$*" in
  --version) echo "Python 3.12.1";;
  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
esac
"""
OLD_PYTHON = '#!/bin/sh\n[ "$1" = --version ] && { echo "Python 3.10.12"; exit 0; }\nexit 1\n'
UV = """#!/bin/sh
echo "uv $*" >> "$CALLS"
[ "$1" = venv ] && { mkdir -p .venv/bin; cp "$(dirname "$0")/python3" .venv/bin/python; exit 0; }
exit %d
"""
TOOLS = ("bash", "sh", "make", "grep", "touch", "mkdir", "cp", "dirname")


class Project:
    """A folder with the Makefile, and a PATH with only these programs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.calls = folder, folder / "programs", folder / "calls"
        self.programs.mkdir()
        for name in ("Makefile", "requirements.lock"):
            shutil.copy(ROOT / name, folder / name)
        for name in TOOLS:
            path = shutil.which(name)
            assert path is not None
            (self.programs / name).symlink_to(path)

    def add(self, name: str, script: str) -> None:
        (self.programs / name).write_text(script)
        (self.programs / name).chmod(0o755)

    def install(self) -> subprocess.CompletedProcess[str]:
        given = {"PIP_USER": "1", "PYTHONPATH": "/module", "PIP_TARGET": "/elsewhere", "CALLS": str(self.calls)}
        return subprocess.run(
            ["make", "--no-print-directory", "install"],
            cwd=self.folder,
            env={"PATH": str(self.programs), "HOME": os.environ.get("HOME", "/"), **given},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_pip_installs_into_the_virtualenv_whatever_the_shell_sets(project: Project) -> None:
    """Regression: with PIP_USER=1, as on clusters, pip refused to install."""
    project.add("python3", PYTHON)
    ended = project.install()
    assert ended.returncode == 0, ended.stderr
    (pip,) = [line for line in project.calls.read_text().splitlines() if " -m pip " in line]
    assert pip.endswith("--requirement requirements.lock [0||]")
    said = ended.stdout.splitlines()
    assert said[0] == "Creating .venv with Python 3.12.1 ..."
    assert said[1].endswith("packages into .venv, which takes a minute ...")


def test_uv_is_used_if_there_is_one(project: Project) -> None:
    project.add("python3", PYTHON)
    project.add("uv", UV % 0)
    assert project.install().returncode == 0
    calls = project.calls.read_text()
    assert "uv venv --quiet --seed --allow-existing --python python3 .venv" in calls
    assert "uv pip install --quiet --python .venv/bin/python --require-hashes --requirement requirements.lock" in calls
    assert "-m pip" not in calls


def test_pip_is_used_if_uv_fails(project: Project) -> None:
    project.add("python3", PYTHON)
    project.add("uv", UV % 2)
    assert project.install().returncode == 0
    assert " -m pip " in project.calls.read_text()


def test_old_python_gets_a_hint_that_helps_once(project: Project) -> None:
    project.add("python3", OLD_PYTHON)
    ended = project.install()
    assert ended.returncode != 0
    assert ended.stderr.count("gpumon needs Python 3.11 or newer with venv; python3 is Python 3.10.12.") == 1
    assert "Ubuntu 22.04:                      sudo apt install python3.11-venv" in ended.stderr
