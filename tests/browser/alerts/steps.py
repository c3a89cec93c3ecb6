"""Steps shared by the tests of alerts: heat a GPU, wait for its alert, be the operator."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import cookies_of
from tests.support.servers import Server, wait_for


def heat(driver: FakeDriver, *indexes: int) -> None:
    driver.set({f"gpu.{index}.temperature": 85 for index in indexes})


def opened(site: Server) -> str:
    """Wait for an open alert; return the id of the worst one."""

    def found() -> str | None:
        alerts = site.json("/api/alerts")["alerts"]
        return alerts[0]["id"] if alerts else None

    return wait_for(found, "an alert")


def live(page: Page) -> Page:
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


def as_operator(page: Page, url: str, path: str = "/") -> Page:
    page.context.add_cookies(cookies_of(url, "operator"))
    page.goto(url + path)
    return page
