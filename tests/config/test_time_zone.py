"""The server's time zone is found where systems keep it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.time_zone import server_time_zone


@pytest.mark.parametrize(
    "value",
    ["Europe/Berlin", ":Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin", ":/usr/share/zoneinfo/Europe/Berlin"],
)
def test_the_variable_comes_first(tmp_path: Path, value: str) -> None:
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert server_time_zone({"TZ": value}, tmp_path) == "Europe/Berlin"


@pytest.mark.parametrize("value", ["", "CET-1CEST", "Nowhere/At_All", "../../etc/passwd", "."])
def test_what_is_no_name_is_passed_over(tmp_path: Path, value: str) -> None:
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/America/New_York")
    assert server_time_zone({"TZ": value}, tmp_path) == "America/New_York"


def test_a_copied_localtime_has_its_name_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "localtime").write_bytes(b"TZif")
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert server_time_zone({}, tmp_path) == "Asia/Tokyo"


def test_it_is_utc_where_nothing_tells(tmp_path: Path) -> None:
    assert server_time_zone({}, tmp_path) == "UTC"
    (tmp_path / "timezone").write_bytes(b"Europe/Z\xfcrich\n")
    assert server_time_zone({}, tmp_path) == "UTC"
