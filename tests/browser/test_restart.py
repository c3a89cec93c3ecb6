"""Open pages during an orderly restart on the same port: notified at once, reconnected, refilled."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.serving import start
from tests.support.pages import NO_SERVER, OpenPage, until
from tests.support.servers import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CODES = """
window.codes = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("close", ({ code }) => codes.push(code));
  }
};
"""


def test_page_is_notified_of_a_restart_and_refilled_by_the_next_server(open_page: OpenPage, tmp_path: Path) -> None:
    """The next server starts while the first is still stopping, as under a service manager."""
    server = start(tmp_path, telemetry_provider="simulated", simulated_gpus=2)
    try:
        page = open_page(server.url, init=CODES, expecting=[NO_SERVER])
        badge = page.locator("[data-connection]")
        expect(badge).to_have_text("Live")
        page.evaluate("window.marker = 'the same page'")
        until(page, "plots.length && plots[0].data[0].length > 5")
        before = page.evaluate("plots[0].data[0].at(-1)")
        ending = server.process
        assert ending is not None
        ending.send_signal(signal.SIGTERM)
        server.launch()
        expect(badge).to_have_text(re.compile("^Reconnecting"))
        assert page.evaluate("codes[0]") == 1012
        expect(badge).to_have_text("Live")
        until(page, f"plots[0].data[0].length > 3 && plots[0].data[0][0] > {before}")
        assert page.evaluate("window.marker") == "the same page"
        assert ending.wait(10) == 0
        wait_for(server.listens, "the next server")
    finally:
        server.stop()
