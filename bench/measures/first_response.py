"""The server's cost of the first response: CPU of `GET /` against a page of plain text with the same number of bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS, PROCESSES
from bench.serving import data_folder, processes, replaying
from tests.support.servers import Server

_ROUNDS, _REQUESTS, _WARM_UP = 9, 20, 10
_BOUND = 6.5
"""Measured: 3.2 to 4.3. The page makes some 500 live elements and a header by templates, where the plain text is one value."""


def measure() -> Iterator[Figure]:
    """One server serves both pages through the same middleware, alternating; the cost of the idle server is subtracted."""
    with data_folder() as folder:
        text = folder / "page.txt"
        plain = {"DJANGO_SETTINGS_MODULE": "bench.floors.plain_settings", "BENCH_PLAIN_TEXT": str(text)}
        with replaying(gpus=GPUS, hz=1, environment=plain) as server:
            text.write_text(_got(server, "/"))
            pid = processes(server)[0]
            for path in ("/", "/plain"):
                _cost(server, pid, path, _WARM_UP)
            rounds = [[_cost(server, pid, path, _REQUESTS) for path in ("/", "/plain")] for _ in range(_ROUNDS)]
            kilobytes = len(_got(server, "/plain").encode()) / 1e3
    measured = (
        f"CPU of the server for `GET /`, {GPUS} GPUs × {PROCESSES} processes / for plain text, {kilobytes:.0f} kB each"
    )
    yield Figure(median(page / floor for page, floor in rounds), "x", _BOUND, measured)
    yield Figure(median(page for page, _ in rounds) * 1e3, " ms", None, "that `GET /`")
    yield Figure(median(floor for _, floor in rounds) * 1e3, " ms", None, "the floor: the plain text")


def _cost(server: Server, pid: int, path: str, requests: int) -> float:
    """CPU seconds per request."""
    watch = Stopwatch([pid])
    for _ in range(requests):
        _got(server, path)
    spent, wall = watch.cpu, watch.wall
    idle = Stopwatch([pid])
    time.sleep(wall)
    return (spent - idle.cpu) / requests


def _got(server: Server, path: str) -> str:
    status, body = server.get(path)
    if status != 200:
        raise CouldNotMeasure(f"GET {path} was answered with status {status}")
    return body
