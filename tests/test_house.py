"""The layout of the code: the import contract names every room, no folder is crowded, and tests import no tests."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import PurePath
from typing import Any

import pytest

from monitor.config.paths import BASE_DIR

PROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
CONTRACTS: list[dict[str, Any]] = PROJECT["tool"]["importlinter"]["contracts"]
LAYERS = [layer for contract in CONTRACTS if contract["type"] == "layers" for layer in contract["layers"]]
MOST_FILES = 17
"""In one folder, not counting `__init__.py`."""
NO_ROOM = {"monitor.apps"}
"""Django finds this module by its name; it imports none of ours."""

WHOLE_SYSTEM = {"browser", "chaos", "deploy", "fuzz", "packaging", "security", "upgrades"}
"""Test folders that cover more than one room."""


def rooms() -> set[str]:
    """The packages and modules directly in the app, and the project package."""
    inside = {
        path.stem for path in (BASE_DIR / "monitor").iterdir() if path.suffix == ".py" and path.stem != "__init__"
    }
    inside |= {path.parent.name for path in (BASE_DIR / "monitor").glob("*/__init__.py")}
    return {"gpumon_site", *(f"monitor.{name}" for name in inside)} - NO_ROOM


def in_contract() -> list[str]:
    """The rooms named by the layers; `|` separates independent ones, `:` others."""
    return [room.strip() for layer in LAYERS for room in layer.replace(":", "|").split("|")]


def test_every_room_is_in_the_import_contract_once() -> None:
    assert sorted(in_contract()) == sorted(rooms())


def test_contracts_ignore_no_import() -> None:
    assert [contract["name"] for contract in CONTRACTS if contract.get("ignore_imports")] == []


def tracked() -> list[PurePath]:
    listed = subprocess.run(
        ["git", "ls-files", "--", "monitor", "gpumon_site", "bench", "static/js"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PurePath(line) for line in listed.stdout.splitlines()]


def test_no_folder_is_crowded() -> None:
    files = Counter(str(path.parent) for path in tracked() if path.name != "__init__.py")
    del files["monitor/migrations"]  # they only ever grow, in one order
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


def test_test_folders_mirror_the_source() -> None:
    folders = {path.parent.name for path in (BASE_DIR / "tests").glob("*/__init__.py")}
    assert folders - {name.removeprefix("monitor.") for name in rooms()} == WHOLE_SYSTEM | {"fakes", "support"}


def test_no_test_module_or_conftest_is_imported() -> None:
    """Code shared by several test files has its own module: in tests/support, or next to them."""
    importing = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*(?:conftest|test_\w+)\b", re.MULTILINE)
    files = [*(BASE_DIR / "tests").rglob("*.py"), *(BASE_DIR / "bench").rglob("*.py")]
    assert [str(file) for file in files if importing.search(file.read_text())] == []


@pytest.mark.parametrize(
    "path", [path for path in tracked() if path.suffix == ".py" and "migrations" not in path.parts], ids=str
)
def test_no_file_is_too_long(path: PurePath) -> None:
    assert len((BASE_DIR / path).read_text().splitlines()) <= 370
