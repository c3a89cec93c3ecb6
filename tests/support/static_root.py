"""Collected static files. Pages name these files by hash, so tests that render pages need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from tests.support.prepared_folder import prepared_folder


@pytest.fixture(scope="session")
def static_root() -> Iterator[Path]:
    """Collected once for all processes of a run."""
    root = prepared_folder() / "static"
    with override_settings(STATIC_ROOT=root):
        yield root
