"""Fixtures for the browser tests of alerts: a server with two rules and two GPUs that a test can heat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.serving import start
from tests.fakes.fake_driver import FakeDriver
from tests.support.people import PASSWORD
from tests.support.servers import Server, password_hash, wait_for

MAKE = """
from django.contrib.auth.models import Permission, User
from monitor.models import AlertRule
AlertRule.objects.all().delete()
for name, metric, limit, severity in (("Hot", "gpu.temperature_celsius", 80, "critical"),
                                      ("Memory nearly full", "gpu.memory_used_percent", 90, "warning")):
    AlertRule.objects.create(name=name, metric=metric, comparator=">=", threshold=limit, for_seconds=0, severity=severity)
operator = User.objects.create(username="operator", password=PASSWORD_HASH, is_staff=True)
operator.user_permissions.add(Permission.objects.get(codename="acknowledge_alertevent"))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, driver: FakeDriver) -> Iterator[Server]:
    """Two cool GPUs of the fake driver, five readings a second, two rules, and an operator who can acknowledge alerts."""
    driver.scenario("gpus = 2\ngpu.0.temperature = 50\ngpu.1.temperature = 50")
    server = start(tmp_path_factory.mktemp("site"), driver)
    server.manage("shell", "-c", f"PASSWORD_HASH = {password_hash(PASSWORD)!r}\n{MAKE}")
    yield server
    server.stop()


@pytest.fixture
def calm(site: Server, driver: FakeDriver) -> Iterator[Server]:
    """The site without an open alert."""

    def cool() -> None:
        driver.set({"gpu.0.temperature": 50, "gpu.1.temperature": 50, "gpu.1.memory_used_mib": 20_480})
        wait_for(lambda: not site.json("/api/alerts")["alerts"], "no alert to be open")

    cool()
    yield site
    cool()
