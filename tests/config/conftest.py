"""The fixtures of this folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.config.declarations import PREFIX


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"
