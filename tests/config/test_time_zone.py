"""The server's time zone is read from the system's files, and no content of these aborts startup."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from tzlocal import unix

from monitor.config.time_zone import server_time_zone


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)


def zone_of(root: Path) -> str:
    """The time zone of a system whose files are below this folder."""
    find = unix._get_localzone_name  # noqa: SLF001  # its public form reads the files of this host alone
    return server_time_zone(functools.partial(find, str(root)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "value",
    ["Europe/Berlin", ":Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin", ":/usr/share/zoneinfo/Europe/Berlin"],
)
def test_variable_takes_precedence(root: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TZ", value)
    (root / "etc" / "timezone").write_text("Asia/Tokyo\n")
    assert zone_of(root) == "Europe/Berlin"


@pytest.mark.parametrize("value", ["", "CET-1CEST", "Nowhere/At_All", "../../etc/passwd", ".", "/etc/passwd"])
def test_value_that_is_not_a_zone_name_is_ignored(root: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TZ", value)
    (root / "etc" / "localtime").symlink_to("/usr/share/zoneinfo/America/New_York")
    assert zone_of(root) == "America/New_York"


def test_name_of_a_copied_localtime_comes_from_another_file(root: Path) -> None:
    (root / "etc" / "localtime").write_bytes(b"TZif")
    (root / "etc" / "timezone").write_text("Asia/Tokyo\n")
    assert zone_of(root) == "Asia/Tokyo"


def test_a_host_without_a_named_zone_gets_utc_and_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "etc" / "localtime").write_bytes(b"TZif")
    assert zone_of(root) == "UTC"
    assert caplog.messages == [
        "gpumon: no time zone, so times are in UTC; set TZ, such as TZ=Europe/Berlin (this host configures none by name)"
    ]


@pytest.mark.parametrize(
    "content", [b"Nowhere/At_All\n", b"Europe/Z\xfcrich\n", b"..\n", b"\0\n", b"../../../etc/passwd\n", b"Europe\n"]
)
def test_invalid_zone_file_gives_utc_and_a_warning_in_one_line(
    root: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown name, an encoding other than ASCII, a folder, a zero byte, a path."""
    (root / "etc" / "timezone").write_bytes(content)
    assert zone_of(root) == "UTC"
    (message,) = caplog.messages
    assert message.startswith("gpumon: no time zone, so times are in UTC; set TZ, such as TZ=Europe/Berlin (")
    assert "\n" not in message


def test_contradictory_files_give_utc_and_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "etc" / "localtime").symlink_to("/usr/share/zoneinfo/America/New_York")
    (root / "etc" / "sysconfig").mkdir()
    (root / "etc" / "sysconfig" / "clock").write_text('ZONE="Asia/Tokyo"\n')
    assert zone_of(root) == "UTC"
    (message,) = caplog.messages
    assert "conflicting" in message
