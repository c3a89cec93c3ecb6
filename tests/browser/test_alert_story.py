"""An alert's life in Chromium: a rule is created and previewed, fires live from a recording, is acknowledged, and resolves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.serving import start
from tests.support.pages import OpenPage, log_in
from tests.support.recordings import heat
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPU 0 is cool for 20 s and hot for 160."""
    return heat(tmp_path_factory.mktemp("recording") / "heat.jsonl", [60.0] * 20 + [95.0] * 160)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> Iterator[Server]:
    """The recording in a loop at four times its speed, and an administrator."""
    server = start(
        tmp_path_factory.mktemp("site"),
        telemetry_provider="replay",
        replay_file=recording,
        replay_speed=4,
        poll_interval_ms=200,
    )
    server.sql("DELETE FROM monitor_alertrule")
    server.make_superuser()
    yield server
    server.stop()


def test_rule_is_created_fires_on_an_open_page_is_acknowledged_and_resolves(site: Server, open_page: OpenPage) -> None:
    admin = open_page(f"{site.url}/admin/monitor/alertrule/add/")
    log_in(admin)
    admin.get_by_label("Name:", exact=True).fill("Hotter than its limit")
    admin.get_by_label("Severity:").select_option("critical")
    admin.get_by_label("Metric:").select_option("gpu.temperature_celsius")
    admin.get_by_label("Relative to:").select_option("slowdown_temperature_celsius")
    admin.get_by_label("Threshold:", exact=True).fill("0")
    admin.get_by_label("For:", exact=True).fill("6")
    admin.get_by_role("button", name="Preview").click()
    expect(admin.locator("#preview")).to_contain_text("temperature ≥ slowdown temperature for 6")

    page = open_page(site.url)
    page.evaluate("window.marker = 'the same page'")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("was added successfully")).to_be_visible()

    banner = page.get_by_role("alert")
    expect(banner).to_contain_text(re.compile(r"GPU 0 reached 95.°C \(limit 87.°C\)"), timeout=60_000)
    expect(page.locator("article.gpu").first).to_contain_text("Too hot")
    expect(page).to_have_title(re.compile("^GPU 0 hot"))

    # A viewer without a login watches; the administrator acknowledges on a page of their own.
    admin.goto(site.url)
    admin.get_by_role("button", name="Acknowledge").click()
    dialog = admin.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_label("Note").fill("the fan of row 3")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(banner).to_be_hidden()
    assert page.evaluate("window.marker") == "the same page"

    expect(page.get_by_role("link", name="Alerts", exact=True)).to_be_visible(timeout=60_000)
    # The history is read from the database, which is written a moment after the page is updated.
    (event,) = wait_for(lambda: site.json("/api/alerts?state=resolved")["history"] or None, "the end to be written")
    assert (event["rule"], event["acknowledged_by"]) == ("Hotter than its limit", "root")
