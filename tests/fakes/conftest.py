"""Child processes with pynvml on the fake driver, for the tests of the fake driver itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fakes.fake_driver import FakeDriver
from tests.fakes.pynvml_child import Child


@pytest.fixture
def start_child() -> Iterator[Callable[[FakeDriver], Child]]:
    children: list[Child] = []

    def start(driver: FakeDriver) -> Child:
        children.append(Child(driver))
        return children[-1]

    yield start
    for child in children:
        child.close()


@pytest.fixture
def ask(fake_driver: FakeDriver, start_child: Callable[[FakeDriver], Child]) -> Child:
    """A child process that has started the fake driver."""
    child = start_child(fake_driver)
    assert child("n.nvmlInit();; True")
    return child


@pytest.fixture
def ask_old(old_fake_driver: FakeDriver, start_child: Callable[[FakeDriver], Child]) -> Child:
    """A child process on a driver without the newer symbols."""
    old_fake_driver.set(processes=2)
    child = start_child(old_fake_driver)
    assert child("n.nvmlInit();; True")
    return child
