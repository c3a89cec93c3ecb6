"""Values on the page follow the readings, and only their text changes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, until
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_value_on_the_page_follows_the_driver(fresh_host: Server, driver: FakeDriver, open_page: OpenPage) -> None:
    page = open_page(fresh_host.url)
    expect(page.get_by_role("status")).to_have_text("Live")
    shown = page.get_by_role("article").first.locator("dl.reading").first
    for value in (37, 0, 100):
        driver.set({"gpu.0.utilization": value})
        expect(shown).to_have_text(re.compile(rf"^Utilization{value}\s%$"))


def test_unknown_value_is_a_dash_with_its_reason_until_it_is_known_again(
    fresh_host: Server, driver: FakeDriver, open_page: OpenPage
) -> None:
    page = open_page(fresh_host.url)
    fact = page.locator(".facts > div").first
    expect(fact).to_have_text(re.compile(r"^Temperature\d+\s°C"))
    driver.set({"gpu.0.temperature": "!999"})
    expect(fact.locator("b")).to_have_text("—")
    expect(fact.locator("b")).to_have_attribute("title", re.compile("unknown", re.IGNORECASE))
    driver.set({"gpu.0.temperature": 55})
    expect(fact.locator("b")).to_have_text("55")
    expect(fact.locator("b")).not_to_have_attribute("title", re.compile("."))


def test_only_text_changes_and_the_elements_around_it_stay(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url)
    expect(page.get_by_role("status")).to_have_text("Live")
    page.evaluate(
        """() => {
          window.heard = 0;
          window.before = [...document.querySelectorAll("main *")].filter((each) => !each.closest(".chips, .cores"));
          document.addEventListener("gpumon:message", () => { heard += 1; });
        }"""
    )
    texts = page.locator(".reading b").all_text_contents()
    until(page, "heard >= 10")
    assert page.evaluate("before.filter((each) => !each.isConnected).map((each) => each.outerHTML.slice(0, 90))") == []
    assert page.locator(".reading b").all_text_contents() != texts
