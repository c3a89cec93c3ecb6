"""The size of the campaigns: by count in `make test`, so that they are the same each time; by time in `make fuzz`."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import Extent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known if pytest is called with this folder, as `python -m tests.fuzz` does."""
    parser.addoption("--fuzz-seconds", type=float, default=0.0)
    parser.addoption("--fuzz-seed", type=int, default=0)


@pytest.fixture
def extent(pytestconfig: pytest.Config) -> Extent:
    """A fixed seed and each target's own count, unless the options say otherwise."""
    return Extent(pytestconfig.getoption("--fuzz-seed", 0), pytestconfig.getoption("--fuzz-seconds", 0.0))
