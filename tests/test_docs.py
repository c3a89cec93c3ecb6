"""The documentation matches the project: every setting, command, file and requirement, in both directions."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from monitor.config.declarations import PREFIX
from monitor.config.model import Config
from monitor.config.paths import BASE_DIR

DOCUMENTS = sorted([*BASE_DIR.glob("*.md"), *(BASE_DIR / "docs").glob("*.md")])
VARIABLES = {PREFIX + name.upper() for name in Config.model_fields}


def text(path: str) -> str:
    return (BASE_DIR / path).read_text()


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of headings: lower case, punctuation removed, spaces as hyphens."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))


def requirements(path: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in text(path).splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def locked(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text(path), re.MULTILINE))


def test_every_setting_has_a_heading_and_every_heading_a_setting() -> None:
    assert set(re.findall(r"^### (\S+)$", text("docs/configuration.md"), re.MULTILINE)) == VARIABLES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_names_only_settings_that_exist(document: Path) -> None:
    assert set(re.findall(r"\bGPU_MONITOR_[A-Z0-9_]*[A-Z0-9]", document.read_text())) <= VARIABLES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_links_only_to_files_and_headings_that_exist(document: Path) -> None:
    for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", document.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_names_only_make_targets_that_exist(document: Path) -> None:
    written = re.findall(r"(?:^    (?:\S+=\S+ )*|`(?:\S+=\S+ )*)make ([a-z-]+)", document.read_text(), re.MULTILINE)
    assert set(written) <= targets()


def test_list_of_commands_names_every_make_target() -> None:
    commands = text("docs/commands.md")
    assert {target for target in targets() if not re.search(rf"make {target}\b(?!-)", commands)} == set()


def test_every_make_target_without_a_file_is_phony() -> None:
    assert set(re.findall(r"^\.PHONY: (\S+)$", text("Makefile"), re.MULTILINE)) == targets()


@pytest.mark.parametrize(
    "name",
    ["requirements", "requirements-gunicorn", "requirements-postgresql", "requirements-fleet", "requirements-dev"],
)
def test_lock_pins_every_requirement_within_its_range_and_by_hash(name: str) -> None:
    pins = locked(f"{name}.lock")
    for requirement in requirements(f"{name}.txt"):
        pinned = pins[requirement.name.lower()]
        assert requirement.specifier.contains(pinned), requirement
    blocks = re.split(r"\n(?=\S)", text(f"{name}.lock").strip())
    assert len(blocks) == len(pins)
    assert all("--hash=sha256:" in block for block in blocks)


def test_each_lock_agrees_with_the_larger_ones() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-gunicorn.lock").items()
    assert locked("requirements.lock").items() <= locked("requirements-postgresql.lock").items()
    assert locked("requirements-postgresql.lock").items() <= locked("requirements-fleet.lock").items()
    for name in ("gunicorn", "fleet"):
        assert locked(f"requirements-{name}.lock").items() <= locked("requirements-dev.lock").items()


@pytest.mark.parametrize("name", [path.name for path in BASE_DIR.glob("requirements*.lock")])
def test_lock_names_no_package_index(name: str) -> None:
    assert not re.search(r"://|index-url|find-links|trusted-host", text(name))


def test_installed_versions_are_those_of_the_lock() -> None:
    pins = locked("requirements.lock")
    assert {name: version(name) for name in pins} == pins


@pytest.mark.parametrize(
    ("name", "file", "pattern"),
    [
        ("htmx", "htmx/htmx.min.js", r'version="(\d+\.\d+\.\d+)"'),
        ("uPlot", "uplot/uPlot.iife.min.js", r"uPlot \(v(\d+\.\d+\.\d+)\)"),
    ],
)
def test_docs_name_the_version_of_each_vendored_script(name: str, file: str, pattern: str) -> None:
    found = re.search(pattern, text(f"static/vendor/{file}"))
    assert found is not None
    assert f"{name} {found[1]}" in text("docs/architecture.md")
    assert (BASE_DIR / "static/vendor" / file).with_name("LICENSE").is_file()
