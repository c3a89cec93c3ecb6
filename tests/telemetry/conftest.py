"""Hosts that are folders."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.linux_host import FakeHost


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with its own /proc, at first without processes, GPUs or devices."""
    return FakeHost(tmp_path / "host")


@pytest.fixture
def open_host() -> Iterator[FakeHost]:
    """A host whose folder other users can enter; only their owner can enter pytest's folders."""
    folder = Path(tempfile.mkdtemp(prefix="gpumon-host-"))
    folder.chmod(0o755)
    yield FakeHost(folder)
    shutil.rmtree(folder)
