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
    """A host with a /proc of its own, yet without processes, GPUs and devices."""
    return FakeHost(tmp_path / "host")


@pytest.fixture
def open_host() -> Iterator[FakeHost]:
    """A host whose folder other users can enter: pytest's own is for its user alone."""
    folder = Path(tempfile.mkdtemp(prefix="gpumon-host-"))
    folder.chmod(0o755)
    yield FakeHost(folder)
    shutil.rmtree(folder)
