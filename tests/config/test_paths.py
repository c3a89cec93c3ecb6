"""The paths of gpumon's files and data, in a checkout and installed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitor.config.paths import BASE_DIR, LAYOUT, layout_of, static_root


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package as the wheel installs it."""
    package = tmp_path / "site-packages" / "monitor"
    (package / "files").mkdir(parents=True)
    return package


def test_a_checkout_keeps_everything_in_its_own_folder() -> None:
    assert (BASE_DIR / "templates", BASE_DIR / "static", (BASE_DIR / ".env",), BASE_DIR / "data") == LAYOUT
    assert layout_of(BASE_DIR / "monitor", {"XDG_DATA_HOME": "/elsewhere"}) == LAYOUT


def test_installation_has_its_files_in_the_package_and_its_data_in_the_xdg_folders(installed: Path) -> None:
    layout = layout_of(installed, {"XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c"})
    files = installed / "files"
    assert layout == (files / "templates", files / "static", (Path("/c/gpumon/.env"),), Path("/d/gpumon"))


def test_relative_xdg_paths_are_ignored(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    layout = layout_of(installed, {"XDG_DATA_HOME": "d", "XDG_CONFIG_HOME": ""})
    assert layout.data_dir == Path("/home/ada/.local/share/gpumon")
    assert layout.env_files == (Path("/home/ada/.config/gpumon/.env"),)


def test_data_folder_keeps_its_tilde_where_the_home_is_unknown(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    layout = layout_of(installed, {})
    assert layout.data_dir == Path("~/.local/share/gpumon")
    assert layout.env_files == ()


def test_static_files_are_collected_in_the_data_folder_by_default(tmp_path: Path) -> None:
    assert static_root(None, tmp_path) == tmp_path / "static"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_static_files_is_created(tmp_path: Path) -> None:
    """It and the folders above it are open to a web server, whatever the umask."""
    before = os.umask(0o077)
    try:
        made = static_root(tmp_path / "cache" / "static", tmp_path / "data")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (made, made.parent)] == [0o755, 0o755]


@pytest.mark.parametrize("name", ["a file", "a file/static"])
def test_folder_for_static_files_that_cannot_be_created_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(
        SystemExit, match=r"GPU_MONITOR_STATIC_DIR=.*/a file.* is invalid: must be a writable directory"
    ):
        static_root(tmp_path / name, tmp_path)


def test_folder_for_static_files_in_an_unwritable_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda folder, _mode: folder != tmp_path)
    with pytest.raises(SystemExit, match=rf"\({tmp_path} is not writable\)"):
        static_root(tmp_path / "static", tmp_path)
