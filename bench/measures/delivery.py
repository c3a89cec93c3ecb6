"""The cost of a message to one client: gpumon's feed and dashboard under uvicorn and daphne against the `websockets` library's
broadcast.

Every side makes the same messages from the same snapshots at each tick and sends them to the same number of clients. All run at
the same time and are measured over the same seconds, so that other load disturbs all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure, Figure
from bench.sides import BROADCAST, COMMANDS, PATHS, Side, side

_ROUNDS, _SECONDS, _SETTLE_SECONDS = 9, 3.0, 2.0
_CLIENTS = {50: 10.0, 300: 4.0}
"""The number of clients, and messages per second to each: 300 at 10 Hz on three sides are more than two cores deliver."""
_BOUND = 1.5
"""Measured on a busy machine: 1.1 to 1.3 for the feed, 1.2 to 1.5 for the dashboard, whose messages are small."""


class Cost(NamedTuple):
    """What was delivered in a second of the wall clock, and the CPU seconds that it took."""

    bytes: float
    cpu: float


def measure() -> Iterator[Figure]:
    for kind, path in PATHS.items():
        for clients, hz in _CLIENTS.items():
            with ExitStack() as stack:
                sides = {name: stack.enter_context(side(name, path, clients=clients, hz=hz)) for name in COMMANDS}
                time.sleep(_SETTLE_SECONDS)
                rounds = [_round(sides) for _ in range(_ROUNDS)]
            yield from _figures(kind, clients, hz, rounds)


def _figures(kind: str, clients: int, hz: float, rounds: list[dict[str, Cost]]) -> Iterator[Figure]:
    delivered = {name: sum(costs[name].bytes for costs in rounds) for name in COMMANDS}
    for name in COMMANDS:
        if name == BROADCAST:
            continue
        if not 0.8 < delivered[name] / delivered[BROADCAST] < 1.2:
            raise CouldNotMeasure(
                f"{name} delivered {delivered[name] / delivered[BROADCAST]:.2f} times as many bytes as the broadcast"
            )
        ratio = median(_per_byte(costs[name]) / _per_byte(costs[BROADCAST]) for costs in rounds)
        measured = (
            f"CPU of a message of the {kind} under {name} / of the websockets library's broadcast, {clients} clients"
        )
        yield Figure(ratio, "x", _BOUND, measured)
    floor = median(costs[BROADCAST].cpu for costs in rounds) / clients / hz
    kilobytes = median(costs[BROADCAST].bytes for costs in rounds) / clients / hz / 1000
    measured = f"a message of that broadcast: {kilobytes:.0f} kB, {hz:g} Hz, {clients} clients"
    yield Figure(floor * 1e6, " µs", None, measured)


def _per_byte(cost: Cost) -> float:
    return cost.cpu / cost.bytes


def _round(sides: dict[str, Side]) -> dict[str, Cost]:
    """The cost on each side, over the same seconds."""
    watch = Stopwatch(each.pid for each in sides.values())
    before = {name: each.clients.ask("count") for name, each in sides.items()}
    time.sleep(_SECONDS)
    after = {name: each.clients.ask("count") for name, each in sides.items()}
    delivered = {name: (after[name] - before[name]) / watch.wall for name in sides}
    return {name: Cost(delivered[name], watch.cpu_of(each.pid) / watch.wall) for name, each in sides.items()}
