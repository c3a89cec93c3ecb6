"""What a browser loads for the dashboard: its size, the ones that block the first paint, how long they are cached."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from playwright.sync_api import Browser, Response, Route

from bench.chromium import opened
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS, PROCESSES
from bench.serving import replaying
from tests.support.chromium import chromium
from tests.support.servers import Server, wait_for

_BEFORE_THE_FIRST_PAINT = "theme"
"""The only script that runs before the first paint on purpose, so that the page does not flash in the other theme."""
_PAINT_SECONDS = 10.0
_YEAR_SECONDS = 365 * 24 * 3600
_HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")


def measure() -> Iterator[Figure]:
    with replaying(gpus=GPUS, hz=1) as server, chromium() as browser:
        yield from _loaded(browser, server)
        yield from _painted(browser, server)


def _loaded(browser: Browser, server: Server) -> Iterator[Figure]:
    page = opened(browser)
    responses: list[Response] = []
    page.on(
        "response", lambda response: responses.append(response)
    )  # playwright sets attributes on it, which a built-in method does not allow
    page.goto(f"{server.url}/", wait_until="networkidle")
    kilobytes: dict[str, float] = defaultdict(float)
    for response in responses:
        kilobytes[response.request.resource_type] += response.request.sizes()["responseBodySize"] / 1e3
    unpacked = sum(len(response.body()) for response in responses) / 1e3
    files = [response for response in responses if response.request.resource_type not in ("document", "fetch")]
    others = [response.url for response in files if not _is_cached_for_ever(response)]
    kinds = ", ".join(f"{kind} {size:.0f}" for kind, size in kilobytes.items())
    measured = f"page weight as transferred ({kinds}), {GPUS} GPUs × {PROCESSES} processes"
    yield Figure(sum(kilobytes.values()), " kB", 75, measured)
    yield Figure(unpacked, " kB", 200, "the same before compression; htmx and uPlot are half of it")
    measured = f"static files not cached for ever under a hashed name, of {len(files)}"
    yield Figure(len(others), "", 0, f"{measured}{': ' if others else ''}{', '.join(others)}")


def _is_cached_for_ever(response: Response) -> bool:
    rules = response.headers.get("cache-control", "")
    age = re.search(r"max-age=(\d+)", rules)
    is_cached = "immutable" in rules and age is not None and int(age[1]) >= _YEAR_SECONDS
    return is_cached and _HASHED.search(response.url) is not None


def _painted(browser: Browser, server: Server) -> Iterator[Figure]:
    """Load the page with every script request but one left unanswered; without its scripts it opens no socket either."""
    page = opened(browser)
    unanswered: list[Route] = []

    def answer(route: Route) -> None:
        if route.request.resource_type == "script" and _BEFORE_THE_FIRST_PAINT not in route.request.url:
            unanswered.append(route)
        else:
            route.continue_()

    page.route("**/*", answer)
    page.goto(f"{server.url}/", wait_until="commit")
    asked = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    at = wait_for(lambda: page.evaluate(asked), "the first paint", seconds=_PAINT_SECONDS)
    if not unanswered:
        raise CouldNotMeasure("the page requested no script, so none was left unanswered")
    blocking: list[str] = page.evaluate(
        "performance.getEntriesByType('resource')"
        ".filter((entry) => entry.initiatorType === 'script' && entry.renderBlockingStatus === 'blocking')"
        ".map(({ name }) => name)"
    )
    waited = [name for name in blocking if _BEFORE_THE_FIRST_PAINT not in name]
    measured = f"scripts beside {_BEFORE_THE_FIRST_PAINT}.js that the first paint waits for; {len(unanswered)} were never answered"
    yield Figure(len(waited), "", 0, measured)
    yield Figure(at, " ms", None, "first contentful paint of that page, without those scripts and without a socket")
    for route in unanswered:
        route.abort()
