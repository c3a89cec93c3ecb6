"""Where gpumon's files are: in a checkout next to its packages, in an installed wheel inside this one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1]
BASE_DIR = PACKAGE.parent
"""The checkout; in an installation, the folder of all installed packages."""


class Layout(NamedTuple):
    """The folders of this program, and defaults that depend on how it was installed."""

    templates: Path
    static: Path
    env_files: tuple[Path, ...]
    """Read besides the current folder's, which wins. Empty if the home folder is unknown."""
    data_dir: Path
    """The default of GPU_MONITOR_DATA_DIR; can begin with `~`."""


def layout_of(package: Path, variables: Mapping[str, str]) -> Layout:
    """The layout of a copy of this package. The wheel puts templates and static files into it (pyproject.toml)."""
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
    """By the XDG Base Directory Specification 0.8, which ignores relative paths. `~` stays if the home folder is unknown."""
    given = Path(variables.get(name, ""))
    path = given if given.is_absolute() else Path(default)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


LAYOUT = layout_of(PACKAGE, os.environ)


def static_root(static_dir: Path | None, data_dir: Path) -> Path:
    """Where static files are collected: `static_dir`, which is created, or a folder in `data_dir`. Exits if it is unusable."""
    if static_dir is None:
        return data_dir / "static"
    try:
        missing = [each for each in (static_dir, *static_dir.parents) if not each.exists()]
        static_dir.mkdir(parents=True, exist_ok=True)
        for each in missing:  # whatever the umask: it is for a web server in front, which is another user
            each.chmod(0o755)
    except OSError as error:
        raise SystemExit(_unusable(static_dir, str(error.strerror))) from None
    # A lock file next to it makes servers that start together collect one after another (http/static_files.py).
    for folder in (static_dir, static_dir.parent):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SystemExit(_unusable(static_dir, f"{folder} is not writable"))
    return static_dir


def _unusable(static_dir: Path, reason: str) -> str:
    return (
        f"gpumon: GPU_MONITOR_STATIC_DIR={static_dir} is invalid: must be a writable directory inside a writable directory "
        f"({reason})"
    )
