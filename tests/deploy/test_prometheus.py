"""deploy/prometheus, as promtool reads it: the scrape configuration, and the alert rules with their own tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.checkers import checker
from tests.support.servers import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files as they are installed, with a token."""
    shutil.copytree(PROMETHEUS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "secrets").mkdir(exist_ok=True)
    (tmp_path / "secrets" / "gpumon-token").write_text("gpumon_none")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "gpumon.rules.yml"),
        ("test", "rules", "gpumon.rules.test.yml"),
    ],
    ids=" ".join,
)
@pytest.mark.slow
def test_promtool_accepts_the_files(folder: Path, arguments: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [checker("promtool"), *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
