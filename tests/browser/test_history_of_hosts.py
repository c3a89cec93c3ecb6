"""The picker of hosts on /history: a host with an agent, and one that was deleted, at a hub."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from monitor.telemetry.schema import Snapshot
from tests.browser.serving import start
from tests.support.pages import OpenPage, until
from tests.support.servers import Server, wait_for
from tests.support.simulated_agents import SimulatedAgent, join, running
from tests.support.snapshots import gpu, host

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GONE = "f" * 32
LINES = ".series-table tbody th"


def read(now: float) -> Snapshot:
    gpus = [gpu(index, uuid=f"GPU-of-node1-{index}", utilization_percent=40.0 + index) for index in range(2)]
    return host(*gpus, time=now, sampled_at=now, poll_interval_seconds=0.5, system=None)


def store_source(hub: Server, host_id: str, name: str, key: str, index: int) -> None:
    """As the recorder writes it after a minute."""
    now = int(time.time())
    given = {
        "host_id": host_id, "host": name, "key": key, "kind": "gpu", "index": index, "name": "NVIDIA H100", "limits": {},
        "first_at": now - 3600, "last_at": now,
    }  # fmt: skip
    make = f"from monitor.models import HistorySource; HistorySource.objects.create(**{given!r})"
    hub.manage("shell", "-v", "0", "-c", make)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A hub with one GPU, node1 with two, and the history of old7, which was deleted."""
    hub = start(tmp_path_factory.mktemp("hub"), telemetry_provider="simulated", simulated_gpus=1)
    node = SimulatedAgent("node1", read)
    join(hub, [node])
    for index in range(2):
        store_source(hub, node.host_id, "node1", f"GPU-of-node1-{index}", index)
    store_source(hub, GONE, "old7", "GPU-of-old7", 5)
    with running(hub.ws, [node], hz=2):
        wait_for(lambda: [each["stale"] for each in hub.json("/api/hosts")["hosts"]] == [False] * 2, "node1 to be live")
        yield hub
    hub.stop()


def names_of_hosts(page: Page) -> list[str]:
    return page.get_by_label("Host").locator("option").all_inner_texts()


def test_picker_leads_to_the_history_of_each_host_and_keeps_metric_and_span(hub: Server, open_page: OpenPage) -> None:
    page = open_page(f"{hub.url}/history?range=15min&metric=temperature_celsius")
    expect(page.get_by_role("heading", level=1)).to_have_text("History")
    assert [each.strip() for each in names_of_hosts(page)][1:] == ["node1", "old7"]
    page.get_by_label("Host").select_option("node1")
    expect(page.get_by_role("heading", level=1)).to_have_text("History · node1")
    assert ("host=node1" in page.url, "range=15min" in page.url) == (True, True)
    expect(page.get_by_label("Metric")).to_have_value("temperature_celsius")
    expect(page.locator(LINES)).to_have_text(["GPU 0", "GPU 1"])
    expect(page.locator("[data-connection]")).to_have_text("Live")
    until(page, "plots.length === 1 && plots[0].data[1].some((value) => value !== null)")
    page.get_by_label("Host").select_option("old7")
    expect(page.get_by_role("heading", level=1)).to_have_text("History · old7")
    expect(page.locator(LINES)).to_have_text(["GPU 5"])
    page.get_by_label("Host").select_option("")
    expect(page.get_by_role("heading", level=1)).to_have_text("History")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("History · old7")
    expect(page.get_by_label("Host")).to_have_value("old7")


def test_picker_works_without_a_script(hub: Server, open_page: OpenPage) -> None:
    page = open_page(f"{hub.url}/history", java_script_enabled=False)
    page.get_by_label("Host").select_option("node1")
    page.get_by_role("button", name="Show").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("History · node1")
    expect(page.locator(LINES)).to_have_text(["GPU 0", "GPU 1", "Host"])
