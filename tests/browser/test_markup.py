"""Names with markup are shown as text, at first and live: their scripts do not run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import psutil
import pytest
from playwright.sync_api import expect

from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, until
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EVIL = "<img src=x onerror=\"window.bad='yes'\"><script>window.bad='yes'</script>"
CLOSING = "</hx-set></hx-part></template><b onclick=1>&amp;\"'"


@pytest.fixture
def evil_pid() -> Iterator[int]:
    """A process whose name is markup."""
    process = subprocess.Popen([EVIL, "600"], executable="/usr/bin/sleep")
    yield process.pid
    process.kill()
    process.wait()


def test_markup_in_a_command_is_shown_as_text(
    fresh_host: Server, driver: FakeDriver, open_page: OpenPage, evil_pid: int
) -> None:
    page = open_page(fresh_host.url)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    driver.set({"gpu.0.processes": f"{evil_pid}:C:512:7"})
    command = page.locator("#processes tbody tr .command")
    expect(command).to_have_text(f"{EVIL} 600")  # came over the socket
    page.set_viewport_size({"width": 800, "height": 900})
    command.hover()
    expect(command).to_have_attribute("title", f"{EVIL} 600")  # it is cut off
    page.reload()
    expect(command).to_have_text(f"{EVIL} 600")  # came with the page
    assert page.evaluate("window.bad") is None
    assert page.locator("#processes img, #processes tbody script").count() == 0


@pytest.mark.parametrize("name", [EVIL, CLOSING])
def test_markup_in_the_name_of_a_gpu_is_shown_as_text(
    fresh_host: Server, driver: FakeDriver, open_page: OpenPage, name: str
) -> None:
    page = open_page(fresh_host.url)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    driver.set({"gpu.1.name": name})
    psutil.Process(fresh_host.health()["sampler_pid"]).kill()  # names are read once, by a new sampler
    title = page.get_by_role("article").nth(1).get_by_role("heading")
    wait_for(lambda: fresh_host.json("/api/snapshot?gpu=1")["name"] == name, "the driver to tell the name")
    expect(title).to_have_text(f"GPU 1, {name}")
    title.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"GPU 1, {name}")
    page.go_back()
    for link in ("Tiles", "Cards"):
        page.get_by_role("link", name=link).click()
        expect(page.locator("[data-connection]")).to_have_text("Live")
    assert page.evaluate("window.bad") is None
    assert page.locator("main img, main script").count() == 0


def test_markup_in_the_address_stays_text(fresh_host: Server, open_page: OpenPage) -> None:
    page = open_page(f"{fresh_host.url}/?filter=%22%3E{quote(EVIL)}&sort=%22%3E%3Cb%3E")
    expect(page.get_by_role("searchbox")).to_have_value(f'">{EVIL}')
    until(page, "document.readyState === 'complete'")
    assert page.evaluate("window.bad") is None
    assert page.locator("main img, main script").count() == 0
