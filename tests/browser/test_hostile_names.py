"""A recording full of hostile names, played in Chromium: none of them runs, and the pages keep their layout."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.serving import start
from tests.support.hostile import fill_database, recording
from tests.support.pages import PHONES, OpenPage, log_in, too_wide
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WATCH_DIALOGS = "window.hacked = 0; window.alert = window.prompt = window.confirm = () => { window.hacked = 2; };"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    server = start(
        folder, telemetry_provider="replay", replay_file=recording(folder / "hostile.jsonl"), poll_interval_ms=500
    )
    try:
        fill_database(server)
        yield server
    finally:
        server.stop()


def is_in_shape(page: Page) -> bool:
    """No script has run, and nothing is wider than the window."""
    return page.evaluate("window.hacked === 0") is True and not too_wide(page)


@pytest.mark.parametrize("path", ["/", "/?layout=tiles", "/alerts"])
def test_hostile_names_run_nothing_and_break_no_layout(hostile: Server, open_page: OpenPage, path: str) -> None:
    page = open_page(hostile.url + path, init=WATCH_DIALOGS)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.wait_for_timeout(600)  # a few messages of the socket, so that their content is drawn too
    assert is_in_shape(page)
    assert too_wide(page, PHONES) == []


def test_hostile_names_run_nothing_on_gpu_pages(hostile: Server, open_page: OpenPage) -> None:
    uuids = [gpu["uuid"] for gpu in hostile.json("/api/snapshot")["gpus"]]
    for uuid in (uuids[0], uuids[4], uuids[-1]):
        page = open_page(f"{hostile.url}/gpu/{quote(uuid, safe='')}", init=WATCH_DIALOGS, expecting=[r"status of 404"])
        page.wait_for_timeout(300)
        assert is_in_shape(page)


def test_hostile_names_run_nothing_on_admin_pages(hostile: Server, open_page: OpenPage) -> None:
    page = open_page(f"{hostile.url}/admin/login/?next=/admin/", init=WATCH_DIALOGS)
    log_in(page, password="correct horse")
    for path in ("alertrule", "channel", "alertevent", "delivery"):
        page.goto(f"{hostile.url}/admin/monitor/{path}/")
        assert page.evaluate("window.hacked === 0"), path
        row = page.locator("#result_list tbody a").first
        if row.count():
            page.goto(hostile.url + str(row.get_attribute("href")))
            assert page.evaluate("window.hacked === 0"), path
