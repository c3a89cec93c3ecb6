"""What Chromium tells of a page: main-thread time, heap, nodes, long tasks."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Browser, Page

from bench.figures import CouldNotMeasure

_COLLECTIONS = 5
_TASK = "ThreadControllerImpl::RunTask"
WIDTH, HEIGHT = 1440, 900


def opened(browser: Browser, *, height: int = HEIGHT) -> Page:
    """An empty page in a context of its own, so that no other page shares its process and main thread."""
    return browser.new_context(viewport={"width": WIDTH, "height": height}).new_page()


class Meter:
    """What the browser counts of one page."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        # CPU time of the thread and not time on the clock: what else runs on the machine is none of the page's.
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def main_thread_seconds(self) -> float:
        """CPU time of all tasks of the main thread so far: script, style, layout, paint, collecting garbage."""
        return self._metrics()["TaskDuration"]

    def settled(self) -> tuple[float, float]:
        """Bytes of the heap in use and number of DOM nodes, once garbage is collected.

        The lowest of some times: what the message of the moment has just brought is not garbage yet.
        """
        seen = []
        for _ in range(_COLLECTIONS):
            self._session.send("HeapProfiler.collectGarbage")
            metrics = self._metrics()
            seen.append((metrics["JSHeapUsedSize"], metrics["Nodes"]))
        return min(heap for heap, _ in seen), min(nodes for _, nodes in seen)

    def _metrics(self) -> dict[str, float]:
        answer = self._session.send("Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in answer["metrics"]}


def tasks_during(browser: Browser, act: Callable[[], None]) -> list[float]:
    """CPU seconds of each task of the pages' main threads while `act` runs.

    The browser's own count of long tasks goes by the clock, and so counts what else the machine does in between.
    """
    browser.start_tracing(categories=["toplevel"])
    try:
        act()
    finally:
        trace = browser.stop_tracing()
    events = json.loads(trace)["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event["tdur"] / 1e6
        for event in events
        if event["name"] == _TASK and (event["pid"], event["tid"]) in threads and "tdur" in event
    ]
    if not tasks:
        raise CouldNotMeasure(f"the browser traced no {_TASK}")
    return tasks
