"""gpumon as an installed app: what Chromium says about its manifest, and the color of the browser's own bars in both themes."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import OpenPage
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LIGHT, DARK = "rgb(245, 246, 249)", "rgb(10, 13, 19)"


def bar_colors(page: Page) -> list[str | None]:
    """For each of the system's themes, light first."""
    return [bar.get_attribute("content") for bar in page.locator("meta[name='theme-color']").all()]


def test_chromium_finds_nothing_wrong_with_the_manifest(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url)
    session = page.context.new_cdp_session(page)
    found = session.send("Page.getAppManifest")
    assert (found["url"], found["errors"]) == (f"{demo.url}/manifest.webmanifest", [])
    assert json.loads(found["data"])["start_url"] == "/"
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []


def test_bars_have_the_color_of_the_page_in_the_system_theme_and_in_a_picked_one(
    demo: Server, open_page: OpenPage
) -> None:
    page = open_page(demo.url, color_scheme="dark")
    assert bar_colors(page) == ["#f5f6f9", "#0a0d13"]
    expect(page.locator("body")).to_have_css("background-color", DARK)
    page.locator("[data-theme-switch]").click()
    assert bar_colors(page) == ["#f5f6f9", "#f5f6f9"]
    expect(page.locator("body")).to_have_css("background-color", LIGHT)
    page.reload()
    assert bar_colors(page) == ["#f5f6f9", "#f5f6f9"]
