"""Files of the data folder: closed to other users, usable by the folder's owner, and described by the cause of a failure."""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.private_file import give_to_owner_of_folder, is_full, make_private, open_private, reason_of


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def someone_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of another user than the process, which is root."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 4243, 4243)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_new_file_is_closed_to_others_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        os.close(open_private(tmp_path / "new"))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == 0o600


def test_existing_file_is_closed_to_others_and_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("content")
    (tmp_path / "old").chmod(0o664)
    with os.fdopen(open_private(tmp_path / "old"), "r+") as file:
        assert file.read() == "content"
    assert mode_of(tmp_path / "old") == 0o600


def test_file_that_root_creates_belongs_to_the_owner_of_the_folder(someone_elses: Path) -> None:
    """Regression: one command as root left a lock that the service could not open."""
    os.close(open_private(someone_elses / "lock"))
    (someone_elses / "restored").touch()
    give_to_owner_of_folder(someone_elses / "restored")
    owner = someone_elses.stat().st_uid
    assert owner != 0
    assert [(someone_elses / name).stat().st_uid for name in ("lock", "restored")] == [owner, owner]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_file_that_cannot_be_written_is_opened_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "lock").write_text("content")
    unpatched = os.open

    def refusing(path: Path, flags: int, *rest: int) -> int:
        if flags & os.O_RDWR and not flags & os.O_EXCL:
            raise OSError(code, os.strerror(code))
        return unpatched(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)
    with os.fdopen(open_private(tmp_path / "lock"), "rb") as file:
        assert file.read() == b"content"


def test_mode_that_cannot_be_changed_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Regression: a file of another user, as with a random user ID, was taken for a folder that cannot be written."""
    (tmp_path / "secret_key").touch()
    (tmp_path / "secret_key").chmod(0o660)

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            os.close(open_private(tmp_path / "secret_key"))
    assert caplog.text.count("is open to other users (mode 660)") == 1


def test_file_of_another_user_than_the_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link in another user's folder must not make root close a file of the system."""
    (tmp_path / "passwd").touch()
    (tmp_path / "passwd").chmod(0o644)
    unpatched = Path.stat

    def owned(path: Path, **how: bool) -> os.stat_result | SimpleNamespace:
        found = unpatched(path, **how)
        return found if path.name == "passwd" else SimpleNamespace(st_uid=found.st_uid + 1)

    monkeypatch.setattr(Path, "stat", owned)
    make_private(tmp_path / "passwd")
    monkeypatch.undo()
    assert mode_of(tmp_path / "passwd") == 0o644


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOLCK, "has no file locks (No locks available); use a local disk"),
        (errno.EOPNOTSUPP, "has no file locks"),
        (errno.ENOSPC, "is full; free some space"),
        (errno.EDQUOT, "is full; free some space"),
        (errno.EROFS, "is on a read-only file system"),
        (errno.EACCES, "belongs to user {uid}, group"),
        (errno.EPERM, "and this process is user {uid}"),
        (errno.EISDIR, "Is a directory: {path}"),
    ],
)
def test_reason_names_the_cause_and_the_fix(tmp_path: Path, code: int, words: str) -> None:
    error = OSError(code, os.strerror(code), str(tmp_path / "missing" / "file"))
    expected = words.format(uid=os.geteuid(), path=error.filename)
    assert expected in reason_of(error, tmp_path)


def test_full_disk_is_recognized_by_blocks_and_by_inodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def file_system(free_blocks: int, files: int, free_files: int) -> None:
        found = SimpleNamespace(f_bavail=free_blocks, f_frsize=4096, f_files=files, f_favail=free_files)
        monkeypatch.setattr(os, "statvfs", lambda _: found)

    file_system(1_000_000, 100, 50)
    assert not is_full(tmp_path)
    file_system(3, 100, 50)
    assert is_full(tmp_path)
    file_system(1_000_000, 100, 0)
    assert is_full(tmp_path)
    file_system(1_000_000, 0, 0)  # btrfs and some network file systems do not count files
    assert not is_full(tmp_path)
