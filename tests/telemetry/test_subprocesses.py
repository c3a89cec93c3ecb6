"""Our own programs find our packages from any folder, and nothing that lies there by the same name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from monitor.telemetry.subprocesses import ROOT, command_of, environment


def test_a_file_with_the_name_of_our_package_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "monitor.py").write_text("raise ImportError('not this one')")
    command = [*command_of("monitor.telemetry"), "--provider", "simulated", "--simulated-gpus", "1"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert '"provider":"simulated"' in ended.stdout


def test_folders_that_were_named_before_are_searched_after_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/theirs")
    assert environment()["PYTHONPATH"] == f"{ROOT}:/theirs"
