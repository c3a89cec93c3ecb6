"""The page of several hosts in a browser: live, filtered as one types, and leading to the pages of each host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from monitor.telemetry.schema import Snapshot
from tests.browser.axe import serious_in_both_themes
from tests.browser.focus import hidden_outlines
from tests.browser.serving import start
from tests.support.pages import PHONES, WIDTHS, OpenPage, box_of, too_wide, until
from tests.support.servers import Server, wait_for
from tests.support.simulated_agents import SimulatedAgent, join, running
from tests.support.snapshots import gpu, host

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Node:
    """A host whose first GPU does what the test says."""

    def __init__(self, name: str, *tags: str, driver: str = "580.82") -> None:
        self.name, self.tags, self.driver = name, tags, driver
        self.load = 50.0

    def read(self, now: float) -> Snapshot:
        first = gpu(0, utilization_percent=self.load, use="busy" if self.load else "free")
        second = gpu(1, utilization_percent=0.0, use="free")
        return host(first, second, time=now, sampled_at=now, poll_interval_seconds=0.5, driver_version=self.driver)

    @property
    def agent(self) -> SimulatedAgent:
        return SimulatedAgent(self.name, self.read, self.tags)


class Scene(NamedTuple):
    hub: Server
    nodes: dict[str, Node]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A hub with a GPU, and three hosts."""
    nodes = [Node("node1", "train"), Node("node2", "train"), Node("lab1", "lab", driver="570.1")]
    hub = start(tmp_path_factory.mktemp("hub"), telemetry_provider="simulated", simulated_gpus=1, history=False)
    agents = [node.agent for node in nodes]
    join(hub, agents)
    with running(hub.ws, agents, hz=2):
        wait_for(
            lambda: [host["stale"] for host in hub.json("/api/hosts")["hosts"]] == [False] * 4, "all hosts to be live"
        )
        yield Scene(hub, {node.name: node for node in nodes})
    hub.stop()


@pytest.fixture(autouse=True)
def usual_load(scene: Scene) -> None:
    for node in scene.nodes.values():
        node.load = 50.0


def row(page: Page, name: str) -> str:
    return f".of-host:has(a:text-is('{name}'))"


def test_values_and_cells_change_while_the_page_is_open(scene: Scene, open_page: OpenPage) -> None:
    page = open_page(scene.hub.url)
    line = page.locator(row(page, "node1"))
    expect(page.locator("[data-connection]")).to_have_text("Live")
    expect(line.locator(".column-utilization b")).to_have_text("25\u2009%")
    page.evaluate("document.querySelector('.of-host[id]').dataset.kept = 'yes'")
    scene.nodes["node1"].load = 0.0
    expect(line.locator(".column-utilization b")).to_have_text("0\u2009%")
    expect(line.locator(".column-free")).to_have_text("2")
    expect(line.locator(".cell").first).to_have_attribute("data-use", "free")
    expect(page.locator("#t-f")).to_have_text("4")
    expect(page.locator("[data-kept]")).to_have_count(1)


def test_filter_applies_as_one_types_and_follows_the_readings(scene: Scene, open_page: OpenPage) -> None:
    page = open_page(scene.hub.url)
    names = page.locator(".of-host[id] .column-host > a")
    expect(names).to_have_text(["lab1", "node1", "node2", re.compile(".")])
    page.keyboard.press("/")
    page.keyboard.type("free>1")
    expect(names).to_have_text([])
    expect(page.locator(".nothing")).to_be_visible()
    expect(page).to_have_url(re.compile(r"filter=free%3E1"))
    expect(page.locator("#host-filter")).to_be_focused()
    scene.nodes["node2"].load = 0.0
    expect(names).to_have_text(["node2"])
    page.keyboard.type(" fre>1")
    expect(page.get_by_role("alert")).to_contain_text("there is no field 'fre'")


def test_rows_follow_their_sorting_but_not_under_the_pointer(scene: Scene, open_page: OpenPage) -> None:
    page = open_page(f"{scene.hub.url}/?filter=model:h100+tag:train&sort=free&order=desc")
    names = page.locator(".of-host[id] .column-host > a")
    expect(names).to_have_text(["node1", "node2"])
    scene.nodes["node2"].load = 0.0
    expect(names).to_have_text(["node2", "node1"])
    names.first.hover()
    scene.nodes["node1"].load, scene.nodes["node2"].load = 0.0, 50.0
    expect(page.locator(row(page, "node1")).locator(".column-free")).to_have_text("2")
    expect(names).to_have_text(["node2", "node1"])
    page.mouse.move(0, 0)
    expect(names).to_have_text(["node1", "node2"])


def test_groups_are_chosen_without_a_script_too(scene: Scene, open_page: OpenPage) -> None:
    page = open_page(scene.hub.url, java_script_enabled=False)
    page.locator("#group-by").select_option("none")
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()
    assert page.locator(".hosts-group").count() == 0
    with page.expect_navigation():
        page.get_by_role("link", name="Free", exact=True).click()
    assert page.locator("[aria-sort=descending]").inner_text() == "Free"


def test_host_and_gpu_are_live_on_their_own_pages(scene: Scene, open_page: OpenPage) -> None:
    page = open_page(scene.hub.url)
    page.locator(row(page, "node1")).get_by_role("link").click()
    expect(page).to_have_url(f"{scene.hub.url}/host/node1/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    scene.nodes["node1"].load = 77.0
    expect(page.locator("#g0-u")).to_have_text("77")
    page.locator("#g0-name").click()
    expect(page).to_have_url(f"{scene.hub.url}/host/node1/gpu/GPU-0")
    scene.nodes["node1"].load = 78.0
    expect(page.locator("[data-connection]")).to_have_text("Live")
    until(page, "plots.some((plot) => plot.data[1]?.includes(78))")
    page.get_by_title("Choose a host").click()
    page.get_by_role("link", name="lab1").click()
    expect(page.locator("h1")).to_have_text("GPUs on lab1")


def test_phone_sorts_too(scene: Scene, open_page: OpenPage) -> None:
    """The headers, which are the links to sort by, were not shown below 45em."""
    page = open_page(f"{scene.hub.url}/?group=none", viewport={"width": 390, "height": 800})
    page.get_by_role("link", name="Power", exact=True).click()
    expect(page.locator("[aria-sort]")).to_have_text("Power")
    expect(page.locator(".of-host[id]")).to_have_count(4)
    assert too_wide(page, PHONES) == []


def test_host_without_system_metrics_says_so_in_a_sentence(scene: Scene, open_page: OpenPage) -> None:
    """Its words stood in columns far from each other."""
    page = open_page(f"{scene.hub.url}/host/node1/", viewport={"width": 2560, "height": 1000})
    sentence = page.locator("#system-panel > p")
    expect(sentence).to_have_text("System metrics are disabled (GPU_MONITOR_ENABLE_SYSTEM_METRICS).")
    assert box_of(sentence)["height"] < 2.2 * box_of(sentence.locator("code"))["height"] + 24, "the padding is 24 px"


def test_page_fits_every_width_has_no_serious_violation_and_shows_the_focus(scene: Scene, open_page: OpenPage) -> None:
    page = open_page(scene.hub.url)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    assert too_wide(page, WIDTHS) == []
    assert serious_in_both_themes(page) == []
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert hidden_outlines(page) == []
