"""Stands for /api/history in a page: invented columns of any span with a gap, so that no test needs days of readings."""

from __future__ import annotations

import json
import math
import time
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

from monitor.web.span import RANGES

BUCKETS = (1, 10, 60, 240, 900, 3600, 21600, 86400)
GAP = "server not running"
LOW, MEAN, HIGH = 40, 50, 60
SECONDS = {each.name: each.seconds for each in RANGES}


def _bounds(query: dict[str, str]) -> tuple[float, float]:
    if "from" in query:
        start, end = (datetime.fromisoformat(query[name]).timestamp() for name in ("from", "to"))
        return start, end
    now = time.time()
    return now - SECONDS[query["range"]], now


def _series(source: str, metric: str, start: float, end: float, points: int) -> dict[str, object]:
    """The same values all the time, but none from 40 to 50 % of the span, where one null breaks the line."""
    bucket = next(each for each in BUCKETS if (end - start) / each <= points)
    first = math.ceil(start / bucket) * bucket
    gap = start + 0.4 * (end - start), start + 0.5 * (end - start)
    times = [at for at in range(first, int(end), bucket) if not gap[0] + bucket <= at < gap[1]]
    low, mean, high = ([None if gap[0] <= at < gap[1] else each for at in times] for each in (LOW, MEAN, HIGH))
    return {
        "source": source, "metric": metric, "unit": "", "tier": "minutes", "bucket_seconds": bucket,
        "start": start, "end": end, "time": times, "seconds": [bucket] * len(times),
        "low": low if bucket > 1 else mean, "mean": mean, "high": high if bucket > 1 else mean,
        "gaps": [{"start": gap[0], "end": gap[1], "reason": "not_running", "text": GAP}], "is_thinned": bucket > 1,
    }  # fmt: skip


def answer(url: str, uuids: list[str]) -> dict[str, object]:
    """The answer to a request. `uuids`: of all GPUs."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    start, end = _bounds(query)
    sources = [each for name in query["gpu"].split(",") for each in (uuids if name == "all" else [name])]
    return {
        "start": start,
        "end": end,
        "series": [
            _series(source, metric, start, end, int(query["points"]))
            for source in sources
            for metric in query["metric"].split(",")
            if (metric == "cpu_percent") == (source == "host")
        ],
    }


def stand_in(page: Page, uuids: list[str]) -> None:
    """Answer this page's requests to /api/history from now on."""

    def fulfill(route: Route) -> None:
        route.fulfill(content_type="application/json", body=json.dumps(answer(route.request.url, uuids)))

    page.route("**/api/history?*", fulfill)
