"""The secret key: created once, readable only by its owner, the same for all processes of a data folder."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitor.config.secret_key import FILE_NAME, kept_secret_key, prepare_data_dir


def test_key_is_created_once_and_kept(tmp_path: Path) -> None:
    first = kept_secret_key(tmp_path)
    assert len(first) >= 50
    assert kept_secret_key(tmp_path) == first


def test_each_folder_has_its_own_key(tmp_path: Path) -> None:
    for name in ("a", "b"):
        prepare_data_dir(tmp_path / name)
    assert kept_secret_key(tmp_path / "a") != kept_secret_key(tmp_path / "b")


def test_folder_and_key_are_accessible_only_to_their_owner(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path / "deep" / "data")
    kept_secret_key(tmp_path / "deep" / "data")
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "deep" / "data" / FILE_NAME).stat().st_mode) == 0o600


def test_permissions_of_a_key_file_readable_by_others_are_restricted(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("x" * 64)
    (tmp_path / FILE_NAME).chmod(0o644)
    assert kept_secret_key(tmp_path) == "x" * 64
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_a_key_file_left_empty_by_a_crash_is_filled(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    assert len(kept_secret_key(tmp_path)) >= 50


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(max_workers=16) as pool:
        keys = list(pool.map(kept_secret_key, [tmp_path] * 64))
    assert len(set(keys)) == 1


def test_data_folder_that_cannot_be_created_aborts_startup_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"^gpumon: GPU_MONITOR_DATA_DIR=.*file/data is invalid: .*Not a directory"):
        prepare_data_dir(tmp_path / "file" / "data")


def test_unreadable_key_aborts_startup_with_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SystemExit, match="must be a writable directory"):
        kept_secret_key(tmp_path)
