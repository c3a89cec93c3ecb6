"""Settings from variables and a file, and the line of a refused start."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.declarations import PREFIX
from monitor.config.loading import load_config
from monitor.config.model import Config


def load(env_file: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Config:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    return load_config((env_file,))


def refusal(env_file: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(SystemExit) as ended:
        load(env_file, monkeypatch, **variables)
    return str(ended.value)
