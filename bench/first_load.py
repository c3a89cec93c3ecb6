"""What a browser loads for the dashboard: how much, what the first paint waits for, and how long files may be kept."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from playwright.sync_api import Browser, Response, Route

from bench.chromium import opened
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS, PROCESSES
from bench.replayed import replayed
from tests.support.chromium import chromium
from tests.support.servers import Server, wait_for

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
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))  # a built-in method takes no marks of its wrapper
    page.goto(f"{server.url}/", wait_until="networkidle")
    kilobytes: dict[str, float] = defaultdict(float)
    for response in responses:
        kilobytes[response.request.resource_type] += len(response.body()) / 1e3
    files = [response for response in responses if response.request.resource_type != "document"]
    others = [response.url for response in files if not _is_kept_for_ever(response)]
    kinds = ", ".join(f"{kind} {size:.0f}" for kind, size in kilobytes.items())
    told = f"page weight before compression ({kinds}), {GPUS} GPUs × {PROCESSES} processes"
    yield Figure(sum(kilobytes.values()), " kB", 200, told)
    told = f"static files not cached for ever under a hashed name, of {len(files)}"
    yield Figure(len(others), "", 0, f"{told}{': ' if others else ''}{', '.join(others)}")


def _is_kept_for_ever(response: Response) -> bool:
    rules = response.headers.get("cache-control", "")
    age = re.search(r"max-age=(\d+)", rules)
    is_kept = "immutable" in rules and age is not None and int(age[1]) >= _YEAR_SECONDS
    return is_kept and _HASHED.search(response.url) is not None


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
    asked = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    at = wait_for(lambda: page.evaluate(asked), "the first paint", seconds=_PAINT_SECONDS)
    if not held:
        raise CouldNotMeasure("no script was asked for, so none was held back")
    blocking: list[str] = page.evaluate(
        "performance.getEntriesByType('resource')"
        ".filter((entry) => entry.initiatorType === 'script' && entry.renderBlockingStatus === 'blocking')"
        ".map(({ name }) => name)"
    )
    waited = [name for name in blocking if _BEFORE_THE_FIRST_PAINT not in name]
    told = (
        f"scripts beside {_BEFORE_THE_FIRST_PAINT}.js that the first paint waits for; {len(held)} were never answered"
    )
    yield Figure(len(waited), "", 0, told)
    yield Figure(at, " ms", None, "first contentful paint of that page, without those scripts and without a socket")
    for route in held:
        route.abort()
