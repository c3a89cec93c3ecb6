"""A host without GPUs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest


@pytest.fixture(scope="session")
def nothing_found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a host without a GPU: an empty PATH, and an NVML file that is not a library."""
    folder = tmp_path_factory.mktemp("no_driver")
    # The loader takes the first file of that name (ld.so(8)), fails on it, and does not look for a real driver.
    (folder / "libnvidia-ml.so.1").touch()
    return {"PATH": "/nonexistent", "LD_LIBRARY_PATH": str(folder)}
