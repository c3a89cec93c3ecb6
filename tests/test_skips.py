"""A skipped test counts as failed in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import missing_programs
from tests.support.servers import ROOT

TESTS = """
import pytest

def test_without_compiler():
    pytest.skip("no compiler")

def test_without_recordings():
    pytest.skip("../shared/data/smi is absent")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "outcome", "status"), [("", "2 skipped", 0), ("true", "1 failed, 1 skipped", 1)])
def test_skip_fails_in_ci_unless_it_is_for_data_next_to_the_checkout(
    tmp_path: Path, ci: str, outcome: str, status: int
) -> None:
    (tmp_path / "test_two.py").write_text(TESTS)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            "-p",
            "tests.conftest",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in ended.stdout.splitlines()[-1]
    assert ended.returncode == status
    assert ("FAILED test_two.py::test_without_compiler" in ended.stdout) == bool(status)


def test_start_of_a_run_names_the_programs_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None if name in ("gcc", "nginx") else f"/usr/bin/{name}")
    assert missing_programs() == (
        "not installed, and needed by some tests: gcc, nginx (Debian, Ubuntu: apt install gcc libc6-dev nginx-light)"
    )
    monkeypatch.setattr(shutil, "which", lambda name, path: f"/usr/bin/{name}")
    assert missing_programs() is None
