"""Programs that check the files of deploy/: from PATH, or as installed by .ci/checkers."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.servers import ROOT

FOLDER = ROOT / "build" / "checkers" / "bin"


def checker(name: str) -> str:
    """The path of a program. Without it the test is skipped, which counts as failed if CI is set."""
    path = shutil.which(name, path=f"{FOLDER}:{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not in PATH; `bash .ci/checkers` brings hadolint, docker-compose and pm2")
    return path
