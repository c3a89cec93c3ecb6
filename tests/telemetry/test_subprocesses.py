"""Child processes import our packages, not files of the same name in the current folder, and inherit no settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from monitor.telemetry.subprocesses import ROOT, command_of, environment

pytestmark = pytest.mark.slow


def test_file_with_the_name_of_our_package_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "monitor.py").write_text("raise ImportError('not this one')")
    command = [*command_of("monitor.telemetry"), "--provider", "simulated", "--simulated-gpus", "1"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert '"provider":"simulated"' in ended.stdout


def test_child_does_not_import_from_the_pythonpath_of_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment module's old package in PYTHONPATH was imported by the sampler, which then ended."""
    (tmp_path / "psutil.py").write_text("raise ImportError('not this one')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:")
    assert environment()["PYTHONPATH"] == ROOT
    command = [*command_of("monitor.telemetry"), "--provider", "simulated", "--simulated-gpus", "1"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_child_imports_from_a_folder_of_pythonpath_that_holds_our_dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install --target` puts them where only PYTHONPATH finds them."""
    theirs = str(Path(msgspec.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", f"/other:{theirs}:{ROOT}")
    assert environment()["PYTHONPATH"] == f"{ROOT}:{theirs}"


def test_child_does_not_inherit_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret key and the administrator's password were in the environment of nvidia-smi."""
    monkeypatch.setenv("GPU_MONITOR_SECRET_KEY", "S3CRET")
    monkeypatch.setenv("gpu_monitor_admin_password", "S3CRET")
    monkeypatch.setenv("UNRELATED", "kept")
    printing = [sys.executable, "-c", "import os; print(sorted(os.environ.items()))"]
    printed = subprocess.run(printing, env=environment(), capture_output=True, text=True, check=True).stdout
    assert "('UNRELATED', 'kept')" in printed
    assert "gpu_monitor" not in printed.lower()
