"""The folder for static files: in the data folder, elsewhere, or nowhere with a reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.config.static_dir import static_root


def test_by_default_it_lies_in_the_data_folder_and_is_made_there_later(tmp_path: Path) -> None:
    assert static_root(None, tmp_path) == tmp_path / "static"
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_given_is_made(tmp_path: Path) -> None:
    assert static_root(tmp_path / "cache" / "static", tmp_path / "data").is_dir()


@pytest.mark.parametrize("name", ["a file", "a file/static"])
def test_one_that_cannot_be_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(SystemExit, match=r"GPU_MONITOR_STATIC_DIR=.*/a file.* is wrong: it takes a folder"):
        static_root(tmp_path / name, tmp_path)


def test_one_whose_folder_cannot_be_written_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda folder, _mode: folder != tmp_path)
    with pytest.raises(SystemExit, match=rf"\({tmp_path} cannot be written\)"):
        static_root(tmp_path / "static", tmp_path)
