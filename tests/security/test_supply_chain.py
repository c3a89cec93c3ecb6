"""Only what was checked in is installed and loaded: every package by hash, and no file of a page from another host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.servers import ROOT

LOCKS = sorted(ROOT.glob("*.lock"))
INSTALLERS = [
    path for path in (ROOT / "Makefile", ROOT / "Dockerfile", ROOT / "deploy" / "systemd" / "install") if path.exists()
]
TOOLS = {"pip-tools", "pip-audit"}
"""The make targets `lock` and `audit`, which run in their own environments."""


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_and_has_hashes(lock: Path) -> None:
    blocks = re.split(r"\n(?=\S)", lock.read_text().strip())
    assert len(blocks) > 20
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\\n)?)+$", block), block[:80]


def test_lock_files_agree_on_shared_packages() -> None:
    pins: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            pins.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


@pytest.mark.parametrize("path", INSTALLERS, ids=lambda path: path.name)
def test_packages_are_installed_only_by_hash(path: Path) -> None:
    commands = re.findall(r"(?:pip|\$\(PIP\))(?: --\S+)* install (?:[^\n]*\\\n)*[^\n]*", path.read_text())
    assert commands
    for command in commands:
        assert "--require-hashes" in command or command.split()[-1] in TOOLS, command


def test_pages_load_no_file_from_another_host() -> None:
    for path in [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "static").rglob("*.css"),
        *(ROOT / "static" / "js").rglob("*.js"),
    ]:
        loaded = re.findall(
            r"""(?:src=|@import|url\(|from |import\()\s*["']?(?:https?:)?//[^"')\s]+""", path.read_text()
        )
        assert loaded == [], path
