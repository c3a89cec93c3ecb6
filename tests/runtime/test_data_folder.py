"""The stage that watches the data folder: what it says about deleted, replaced and unwritable files."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.http.static_files import STAMP
from monitor.runtime.data_folder import CONSEQUENCES, DATABASE, HISTORY, DataFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (DATABASE, *CONSEQUENCES):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def stage(folder: Path) -> DataFolder:
    stage = DataFolder(folder)
    stage.note_files()
    stage.look()
    assert stage.problem is None
    return stage


def test_deleted_database_is_a_problem_until_it_is_back(
    folder: Path, stage: DataFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / DATABASE).rename(folder / "away")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            stage.look()
        assert stage.problem is not None
        assert f"{folder / DATABASE} was deleted" in stage.problem
        (folder / "away").rename(folder / DATABASE)
        stage.look()
    assert stage.problem is None
    assert caplog.text.count("was deleted") == 1
    assert "recovered" in caplog.text


def test_replaced_database_is_logged_and_used(
    folder: Path, stage: DataFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "other").touch()
    (folder / "other").replace(folder / DATABASE)
    for _ in range(2):
        stage.look()
    assert caplog.text.count("was replaced; it is used from now on") == 1
    assert stage.problem is None


def test_deleted_history_is_logged_and_no_problem(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / HISTORY).touch()
    stage = DataFolder(tmp_path)
    stage.note_files()
    (tmp_path / HISTORY).unlink()
    for _ in range(2):
        stage.look()
    assert caplog.text.count(f"the stored history {tmp_path / HISTORY} was deleted") == 1
    assert stage.problem is None


@pytest.mark.parametrize("name", CONSEQUENCES)
@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_other_lost_file_is_a_problem_with_its_consequence(
    folder: Path, stage: DataFolder, name: str, how: str
) -> None:
    (folder / name).rename(folder / "old")
    if how == "replaced":
        (folder / name).touch()
    stage.look()
    assert stage.problem == f"{folder / name} was {how}: {CONSEQUENCES[name]}"


def test_files_that_never_existed_are_not_missed(tmp_path: Path) -> None:
    stage = DataFolder(tmp_path)
    stage.note_files()
    stage.look()
    assert stage.problem is None


def test_missing_folder_is_a_problem(folder: Path, stage: DataFolder) -> None:
    folder.rename(folder.with_name("away"))
    stage.look()
    assert stage.problem == f"the data folder {folder} is missing; put it back, or restart gpumon"


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_deleted_static_files_are_a_problem_until_they_are_back(folder: Path, is_elsewhere: bool) -> None:
    """For example by a program that clears /var/cache."""
    root = folder / ("elsewhere" if is_elsewhere else "static")
    root.mkdir()
    (root / STAMP).touch()
    stage = DataFolder(folder, static_root=root if is_elsewhere else None)
    stage.note_files()
    (root / STAMP).unlink()
    stage.look()
    assert stage.problem == f"the static files in {root} were deleted; restart gpumon to collect them again"
    (root / STAMP).touch()
    stage.look()
    assert stage.problem is None


def test_full_and_read_only_disks_are_problems(
    folder: Path, stage: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(f_bavail=0, f_frsize=4096, f_files=10, f_favail=5, f_flag=0)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    stage.look()
    assert stage.problem == f"the disk of {folder} is full; free some space on it"
    found.f_bavail, found.f_flag = 1000, os.ST_RDONLY
    stage.look()
    assert stage.problem == f"{folder} is on a read-only file system"
