"""A skipped test counts as failed where CI is set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

SKIPPED = """
import pytest

def test_left_out():
    pytest.skip({reason!r})
"""


@pytest.mark.parametrize(
    ("ci", "reason", "outcome"),
    [
        ("", "no compiler", "1 skipped"),
        ("true", "no compiler", "1 failed"),
        ("true", "../shared/data/smi is absent", "1 skipped"),
    ],
)
def test_a_skip_fails_in_ci_unless_it_is_for_data_beside_the_checkout(
    tmp_path: Path, ci: str, reason: str, outcome: str
) -> None:
    (tmp_path / "test_one.py").write_text(SKIPPED.format(reason=reason))
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
    assert (ended.returncode == 0) == (outcome == "1 skipped")
