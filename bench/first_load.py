"""What a browser loads for the dashboard: how much, what the first paint waits for, and how long files may be kept."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, Route

from bench.chromium import chromium, opened
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS, PROCESSES
from bench.replayed import replayed
from tests.servers import Server

_BEFORE_THE_FIRST_PAINT = "theme"
"""The one script that is meant to run before, so that the page does not flash in the other theme."""
_PAINT_SECONDS = 10.0
_YEAR_SECONDS = 365 * 24 * 3600
_HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")


def measure() -> Iterator[Figure]:
    """The figures of the first load."""
    with replayed(gpus=GPUS, hz=1) as server, chromium() as browser:
        yield from _loaded(browser, server)
        yield from _painted(browser, server)


def _loaded(browser: Browser, server: Server) -> Iterator[Figure]:
    page = opened(browser)
    kilobytes: dict[str, float] = defaultdict(float)
    kept, others = [], []

    def arrived(response: Any) -> None:
        kind = response.request.resource_type
        kilobytes[kind] += len(response.body()) / 1e3
        if kind == "document":
            return
        rules = response.headers.get("cache-control", "")
        age = re.search(r"max-age=(\d+)", rules)
        is_kept = "immutable" in rules and age is not None and int(age[1]) >= _YEAR_SECONDS
        (kept if is_kept and _HASHED.search(response.url) else others).append(response.url)

    page.on("requestfinished", lambda request: arrived(request.response()))
    page.goto(f"{server.url}/", wait_until="networkidle")
    kinds = ", ".join(f"{kind} {size:.0f}" for kind, size in kilobytes.items())
    told = f"page weight before compression ({kinds}), {GPUS} GPUs × {PROCESSES} processes"
    yield Figure(sum(kilobytes.values()), " kB", 200, told)
    told = f"static files not cached for ever under a hashed name, of {len(kept) + len(others)}"
    yield Figure(len(others), "", 0, f"{told}{': ' if others else ''}{', '.join(others)}")


def _painted(browser: Browser, server: Server) -> Iterator[Figure]:
    """Every script but one is asked for and never answered; a page without its scripts opens no socket either."""
    page = opened(browser)
    held: list[Route] = []

    def answer(route: Route) -> None:
        if route.request.resource_type == "script" and _BEFORE_THE_FIRST_PAINT not in route.request.url:
            held.append(route)
        else:
            route.continue_()

    page.route("**/*", answer)
    page.goto(f"{server.url}/", wait_until="commit")
    painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    at = page.wait_for_function(painted, timeout=_PAINT_SECONDS * 1000).json_value()
    if not held:
        raise CouldNotMeasure("no script was asked for, so none was held back")
    blocking: list[str] = page.evaluate(
        "performance.getEntriesByType('resource')"
        ".filter((entry) => entry.initiatorType === 'script' && entry.renderBlockingStatus === 'blocking')"
        ".map(({ name }) => name)"
    )
    waited = [name for name in blocking if _BEFORE_THE_FIRST_PAINT not in name]
    told = f"scripts beside {_BEFORE_THE_FIRST_PAINT}.js that the first paint waits for; {len(held)} were never answered"
    yield Figure(len(waited), "", 0, told)
    yield Figure(at, " ms", None, "first contentful paint of that page, without those scripts and without a socket")
    for route in held:
        route.abort()
