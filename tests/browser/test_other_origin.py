"""Another site's page in the browser of a logged-in user: it opens no socket, reads nothing, changes nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.hostile_site import HostileSite
from tests.browser.serving import start
from tests.support.pages import TIMEOUT_MS, log_in
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROWS = """
from django.contrib.auth.models import User
from monitor.models import *
User.objects.create_superuser("root", password="correct horse")
AlertRule.objects.all().delete()
AlertRule.objects.create(
    name="Always", metric="gpu.utilization_percent", comparator=">=", threshold=0, for_seconds=0, gpu_indexes="0")
"""


def alert_of(server: Server) -> dict[str, Any] | None:
    """The alert of the rule above; None until it fires. Alerts of earlier rules can stay open for a moment."""
    return next((alert for alert in server.json("/api/alerts")["alerts"] if alert["rule"] == "Always"), None)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an administrator and an alert that can be acknowledged."""
    server = start(tmp_path_factory.mktemp("ours"), telemetry_provider="simulated")
    try:
        server.manage("shell", "-c", ROWS)
        wait_for(lambda: alert_of(server), "the alert")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def theirs(ours: Server) -> Iterator[HostileSite]:
    alert = wait_for(lambda: alert_of(ours), "the alert")["id"]
    site = HostileSite()
    try:
        site.attack(ours.url, f"/alerts/{alert}/acknowledge")
        yield site
    finally:
        site.close()


@pytest.fixture
def visitor(browser: Browser, ours: Server) -> Iterator[Page]:
    """A page of a logged-in administrator."""
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(f"{ours.url}/admin/login/?next=/admin/")
    log_in(page, password="correct horse")
    page.wait_for_url("**/admin/")
    yield page
    context.close()


def attacked(page: Page, address: str) -> dict[str, Any]:
    """What the hostile page reached."""
    page.goto(address)
    results: dict[str, Any] = page.evaluate("attack()")
    page.wait_for_timeout(800)  # the form in its frame has been answered by now
    return results


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_page_of_another_origin_reaches_nothing(ours: Server, theirs: HostileSite, visitor: Page, host: str) -> None:
    """Two origins: another port on the same host, which for cookies is the same site, and another host name."""
    results = attacked(visitor, f"http://{host}:{theirs.port}/")
    assert {name: results[name] for name in ("dashboard", "gpu")} == {"dashboard": "refused", "gpu": "refused"}
    assert {
        name: results[name] for name in ("snapshot", "config", "page", "post", "json", "withToken")
    } == dict.fromkeys(("snapshot", "config", "page", "post", "json", "withToken"), "refused")
    assert results["silent"] == "refused"  # by Cross-Origin-Resource-Policy; localhost is another site altogether
    assert results["framed"] == "refused"
    assert alert_of(ours)["acknowledged_at"] is None
    assert not any(ours.health()["clients"].values())


def test_frame_of_another_origin_shows_none_of_our_pages(ours: Server, theirs: HostileSite, visitor: Page) -> None:
    visitor.goto(f"http://localhost:{theirs.port}/")
    frame = next(frame for frame in visitor.frames if frame.name != "result" and frame != visitor.main_frame)
    assert "gpumon" not in frame.content()
    assert json.dumps(ours.health()["clients"]).count("0") == len(ours.health()["clients"])


def test_our_own_page_opens_its_socket_with_the_same_login(ours: Server, visitor: Page) -> None:
    """Without this, the other tests would prove nothing."""
    visitor.goto(ours.url)
    wait_for(lambda: ours.health()["clients"].get("dashboard"), "the page's socket")


@pytest.mark.parametrize("name", ["rebound.example", "127.0.0.1.rebound.example", "127.0.0.1.evil"])
def test_foreign_name_that_resolves_to_this_machine_is_refused(ours: Server, name: str) -> None:
    """DNS rebinding: the browser believes the page and our server share an origin. The Host header differs."""
    connection = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=40)
    connection.request(
        "GET", "/api/snapshot", headers={"Host": f"{name}:{ours.port}", "Origin": f"http://{name}:{ours.port}"}
    )
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"gpus" not in answer.read()
    connection.close()
