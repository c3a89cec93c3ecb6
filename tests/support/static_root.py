"""Collected static files. Pages name these files by hash, so tests that render pages need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from monitor.http.static_files import collect_if_outdated


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("site") / "static"
    with override_settings(STATIC_ROOT=root):
        assert collect_if_outdated()
        yield root
