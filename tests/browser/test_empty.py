"""A host without GPUs: the page says what was tried, and fills as soon as a GPU appears."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, until
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def bare(tmp_path: Path, fake_driver: FakeDriver) -> Iterator[Server]:
    fake_driver.set(init=9, gpus=2)
    command = [sys.executable, "-m", "tests.browser.serve_impatiently"]
    server = Server(tmp_path, {**fake_driver.env, "PATH": "/nonexistent"}, command, poll_interval_ms=100).start()
    wait_for(lambda: server.health()["providers"], "the providers to be tried")
    yield server
    server.stop()


def test_empty_page_says_what_was_tried_and_fills_without_a_reload(
    bare: Server, fake_driver: FakeDriver, open_page: OpenPage
) -> None:
    page = open_page(bare.url)
    page.evaluate("window.marker = 'the same page'")
    expect(page.get_by_role("heading", name="No GPU found")).to_be_visible()
    for provider in ("pynvml", "nvidia_smi", "nvtop"):
        reason = page.locator(".provider").filter(has_text=provider)
        expect(reason).to_be_visible()
        assert len(reason.locator("p").first.inner_text()) > 10
    expect(page).to_have_title(re.compile("^No GPU · "))
    expect(page.locator("[data-connection]")).to_have_text("No data source")
    # The host's own readings are live meanwhile.
    load = page.get_by_role("region", name="System")
    expect(load).to_contain_text(re.compile(r"Memory\s*[\d.]+"))
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        assert serious(page) == []
    fake_driver.set(init=0)
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    expect(page).not_to_have_title(re.compile("No GPU"))
    until(page, "plots.length >= 4 && plots[0].data[0].length > 1")
    assert page.evaluate("window.marker") == "the same page"
    page.locator("[data-picker] summary").wait_for()


@pytest.fixture
def hanging(tmp_path: Path, fake_driver: FakeDriver) -> Iterator[Server]:
    fake_driver.set({"gpus": 2, "hang.nvmlInitWithFlags": 1})
    server = Server(tmp_path, {**fake_driver.env, "PATH": "/nonexistent"}, poll_interval_ms=100).start()
    yield server
    server.stop()


def test_page_opened_before_the_first_reading_fills_without_a_reload(
    hanging: Server, fake_driver: FakeDriver, open_page: OpenPage
) -> None:
    page = open_page(hanging.url)
    expect(page.get_by_role("heading", name="Looking for GPUs")).to_be_visible()
    fake_driver.set({"hang.nvmlInitWithFlags": 0})
    expect(page.get_by_role("article")).to_have_count(2)
