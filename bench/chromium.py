"""What Chromium measures of a page: main-thread time, heap, nodes, tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from playwright.sync_api import Browser, Page

from bench.figures import CouldNotMeasure

_COLLECTIONS = 5
_TASK = "ThreadControllerImpl::RunTask"
WIDTH, HEIGHT = 1440, 900


def opened(browser: Browser, *, height: int = HEIGHT) -> Page:
    """An empty page in its own context, so that no other page shares its process and main thread."""
    return browser.new_context(viewport={"width": WIDTH, "height": height}).new_page()


class Meter:
    """Chromium's counters of one page."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        # CPU time of the thread, not wall time: other load on the machine does not count.
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def main_thread_seconds(self) -> float:
        """CPU time of all tasks of the main thread so far: script, style, layout, paint, garbage collection."""
        return self._metrics()["TaskDuration"]

    def settled(self) -> tuple[float, float]:
        """Bytes of the heap in use and number of DOM nodes, after garbage collection.

        The lowest of several samples: a message that has just arrived is not garbage yet.
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


def main_thread_rounds(pages: Sequence[Page], *, rounds: int, seconds: float) -> list[list[float]]:
    """For each round, CPU seconds of each page's main thread, all over the same seconds."""
    meters = [Meter(page) for page in pages]
    costs = []
    for _ in range(rounds):
        began = [meter.main_thread_seconds() for meter in meters]
        time.sleep(seconds)
        costs.append([meter.main_thread_seconds() - at for meter, at in zip(meters, began, strict=True)])
    return costs


def tasks_during(browser: Browser, act: Callable[[], None]) -> tuple[list[float], float]:
    """CPU seconds of each task of the pages' main threads while `act` runs, and the duration of `act` in seconds.

    The browser's own count of long tasks uses wall time, and so includes other load on the machine.
    """
    browser.start_tracing(categories=["toplevel"])
    began = time.monotonic()
    try:
        act()
    finally:
        seconds = time.monotonic() - began
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
    return tasks, seconds
