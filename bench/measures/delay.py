"""The age of a reading when a client gets it: gpumon's consumers under uvicorn and daphne against the `websockets` library's
broadcast.

All sides make the same messages from the same snapshots at the same rate, which is also the limit of gpumon's hub. Ages are wall
time on one host, from `sampled_at` to the last byte. All sides run at the same time, each in its own third of the interval.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import quantiles
from typing import NamedTuple

from bench.child import child
from bench.figures import CouldNotMeasure, Figure
from bench.sides import BROADCAST, COMMANDS, server_of
from tests.support.servers import Server

_CLIENTS = (1, 50, 150, 300)
_SECONDS = {5.0: 6.0, 1.0: 10.0}
"""The messages per second, and the duration of the measurement in seconds."""
_SETTLE_SECONDS = 1.5
_PATHS = {"feed": "/ws/gpu", "dashboard": "/ws/dashboard"}
_BOUNDS = {("uvicorn", "p50"): 2.0, ("uvicorn", "p99"): 2.0, ("daphne", "p50"): 2.0, ("daphne", "p99"): 4.0}
"""The largest number of clients. With fewer, a p99 is a single message."""
_ENOUGH = 0.9
"""The share of the due messages that must arrive."""


class Delay(NamedTuple):
    """The age of messages in seconds."""

    p50: float
    p99: float


def measure() -> Iterator[Figure]:
    for hz, seconds in _SECONDS.items():
        with ExitStack() as stack:
            servers = {name: stack.enter_context(server_of(name, hz=hz)) for name in COMMANDS}
            for kind, path in _PATHS.items():
                delays = {clients: _delays(servers, path, clients, hz, seconds) for clients in _CLIENTS}
                yield from _figures(f"{kind} at {hz:g} Hz", delays)


def _figures(what: str, delays: Mapping[int, Mapping[str, Delay]]) -> Iterator[Figure]:
    *fewer, most = _CLIENTS
    for (name, quantile), bound in _BOUNDS.items():
        ratios = {
            clients: getattr(sides[name], quantile) / getattr(sides[BROADCAST], quantile)
            for clients, sides in delays.items()
        }
        others = ", ".join(f"{ratios[clients]:.2g}x with {clients}" for clients in fewer)
        milliseconds = 1e3 * getattr(delays[most][name], quantile)
        measured = f"{quantile} of {what}, {most} clients, {name} ({milliseconds:.1f} ms) / broadcast; {others}"
        yield Figure(ratios[most], "x", bound, measured)
    for clients, sides in delays.items():
        p50, p99 = (1e3 * seconds for seconds in sides[BROADCAST])
        yield Figure(p50, " ms", None, f"p50 of that broadcast, {clients} clients; p99 {p99:.1f} ms")


def _delays(servers: Mapping[str, Server], path: str, clients: int, hz: float, seconds: float) -> dict[str, Delay]:
    """Connect this many clients to each server, and measure all of them over the same seconds."""
    with ExitStack() as stack:
        readers = {
            name: stack.enter_context(child("bench.delay_readers", str(server.port), path, str(clients)))
            for name, server in servers.items()
        }
        for each in readers.values():
            each.answer()  # all are connected
        time.sleep(_SETTLE_SECONDS)
        for each in readers.values():
            each.ask("begin")
        time.sleep(seconds)
        ages = {name: each.ask("ages") for name, each in readers.items()}
    for name, of_side in ages.items():
        due = hz * clients * seconds
        if len(of_side) < _ENOUGH * due - clients:
            raise CouldNotMeasure(f"{name} delivered {len(of_side)} messages of {path} where {due:.0f} were due")
    return {name: _delay(of_side) for name, of_side in ages.items()}


def _delay(ages: list[float]) -> Delay:
    percentiles = quantiles(ages, n=100, method="inclusive")
    return Delay(percentiles[49], percentiles[98])
