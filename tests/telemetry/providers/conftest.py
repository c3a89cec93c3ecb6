"""Providers in child processes, and the programs they call."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.telemetry.providers.fake_program import FakeProgram
from tests.telemetry.providers.reader import Reader

# Not a skip, which fails in CI: nvtop may be missing (Debian has it only in `contrib`), and the tests cannot build it.
collect_ignore = [] if shutil.which("nvtop") else ["test_real_nvtop.py"]


@pytest.fixture
def open_reader() -> Iterator[Callable[..., Reader]]:
    """Opens providers and closes them after the test."""
    readers: list[Reader] = []

    def start(name: str, environment: Mapping[str, str], **options: object) -> Reader:
        readers.append(Reader(name, environment, **options))
        return readers[-1]

    yield start
    for reader in readers:
        reader.close()


@pytest.fixture
def fake_program(tmp_path: Path) -> Callable[[str], FakeProgram]:
    """Makes programs."""
    return lambda name: FakeProgram(name, tmp_path / name)
