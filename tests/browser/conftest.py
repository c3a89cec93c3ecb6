"""The servers shared by the browser tests, and Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.serving import start
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import browser, open_page
from tests.support.servers import Server, wait_for

__all__ = ["browser", "open_page"]


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Eight simulated GPUs whose values change constantly, twice a second."""
    server = start(tmp_path_factory.mktemp("demo"), telemetry_provider="simulated", poll_interval_ms=500)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def driver(fake_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeDriver]:
    """The fake driver that `host` reads: its values change only when a test changes them."""
    driver = FakeDriver(fake_library, tmp_path_factory.mktemp("driver"))
    driver.set(gpus=2)
    yield driver
    driver.scenario("")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, driver: FakeDriver) -> Iterator[Server]:
    """Two GPUs of the fake driver, five readings a second."""
    server = start(tmp_path_factory.mktemp("host"), driver)
    yield server
    server.stop()


@pytest.fixture
def fresh_host(host: Server, driver: FakeDriver) -> Iterator[Server]:
    """`host`, restored to two GPUs after the test."""
    yield host
    driver.scenario("gpus = 2")
    wait_for(lambda: host.get("/api/health")[0] == 200, "readings to return")


@pytest.fixture
def clients() -> Callable[[Server], int]:
    """The number of pages connected to a server."""
    return lambda server: int(server.health()["clients"].get("dashboard", 0))
