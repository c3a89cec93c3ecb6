"""Nothing inline, nothing from other hosts, and files that are cached for ever."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Response, expect

from tests.support.pages import OpenPage
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("path", ["/", "/?layout=tiles", "/gpu/{uuid}", "/alerts"])
def test_page_loads_only_our_own_files_and_they_are_cached_for_ever(
    demo: Server, open_page: OpenPage, path: str
) -> None:
    page = open_page("about:blank")
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(demo.url + path.format(uuid=demo.json("/api/snapshot")["gpus"][0]["uuid"]))
    expect(page.locator("[data-connection]")).to_have_text("Live")
    assert all(answer.url.startswith(demo.url + "/") for answer in answers)
    files = [answer for answer in answers if "/static/" in answer.url]
    assert len(files) > 10
    for answer in files:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", answer.url), answer.url
        assert "immutable" in answer.headers["cache-control"], answer.url
        assert re.search(r"max-age=(\d+)", answer.headers["cache-control"]).group(1) >= "31536000"  # type: ignore[union-attr]
    document = answers[0]
    assert document.headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in document.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/?layout=tiles", "/gpu/{uuid}", "/gpu/GPU-nowhere", "/alerts"])
def test_no_page_has_inline_script_or_style(demo: Server, path: str) -> None:
    html = demo.get(path.format(uuid=demo.json("/api/snapshot")["gpus"][0]["uuid"]))[1]
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", html) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []


def test_second_visit_loads_only_the_page(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url)
    for layout in ("tiles", "cards", "tiles"):
        page.goto(f"{demo.url}/?layout={layout}")
        expect(page.locator("[data-connection]")).to_have_text("Live")
    sizes = page.evaluate(
        """Object.fromEntries(performance.getEntriesByType("resource")
          .filter(({ name }) => name.includes("/static/")).map(({ name, transferSize }) => [name, transferSize]))"""
    )
    assert sizes
    assert {name: size for name, size in sizes.items() if size} == {}
