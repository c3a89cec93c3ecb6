"""Where gpumon's own files lie: in a checkout beside its packages, installed from a wheel inside this one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1]
BASE_DIR = PACKAGE.parent
"""The checkout; for what is installed, the folder of all packages, where nothing of ours lies but these."""


class Layout(NamedTuple):
    """Folders of this program, and what it takes where no setting says otherwise."""

    templates: Path
    static: Path
    env_files: tuple[Path, ...]
    """Settings beside those of the current folder, which win. None where no home folder is known."""
    data_dir: Path
    """The default of GPU_MONITOR_DATA_DIR; it may begin with `~`."""


def layout_of(package: Path, variables: Mapping[str, str]) -> Layout:
    """The layout around a copy of this package. The wheel puts templates and static files into it (pyproject.toml)."""
    packed = package / "files"
    if packed.is_dir():
        config = _home(variables, "XDG_CONFIG_HOME", "~/.config")
        return Layout(
            templates=packed / "templates",
            static=packed / "static",
            env_files=() if str(config).startswith("~") else (config / "gpumon" / ".env",),
            data_dir=_home(variables, "XDG_DATA_HOME", "~/.local/share") / "gpumon",
        )
    checkout = package.parent
    return Layout(
        templates=checkout / "templates",
        static=checkout / "static",
        env_files=(checkout / ".env",),
        data_dir=checkout / "data",
    )


def _home(variables: Mapping[str, str], name: str, default: str) -> Path:
    """By the XDG Base Directory Specification 0.8, which wants relative paths ignored. `~` stays where there is no home."""
    given = Path(variables.get(name, ""))
    path = given if given.is_absolute() else Path(default)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


LAYOUT = layout_of(PACKAGE, os.environ)
