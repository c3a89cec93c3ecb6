"""The cost of a message to one client: gpumon's feed under uvicorn and daphne against the `websockets` library's broadcast.

Every side encodes the same snapshot at each tick and sends it to the same number of clients. All run at the same time and are
measured over the same seconds, so that other load disturbs all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from bench import message
from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure, Figure
from bench.sides import BROADCAST, COMMANDS, Side, side

_ROUNDS, _SECONDS, _SETTLE_SECONDS = 9, 3.0, 2.0
_CLIENTS = {50: 10.0, 300: 4.0}
"""The number of clients, and messages per second to each: 300 at 10 Hz on three sides are more than two cores deliver."""
_BOUNDS = {"uvicorn": 1.5, "daphne": 1.5}


def measure() -> Iterator[Figure]:
    for clients, hz in _CLIENTS.items():
        with ExitStack() as stack:
            sides = {name: stack.enter_context(side(name, clients=clients, hz=hz)) for name in COMMANDS}
            time.sleep(_SETTLE_SECONDS)
            rounds = [_round(sides, clients, hz) for _ in range(_ROUNDS)]
        for name, bound in _BOUNDS.items():
            ratio = median(costs[name] / costs[BROADCAST] for costs in rounds)
            measured = f"CPU of a message under {name} / of the websockets library's broadcast, {clients} clients"
            yield Figure(ratio, "x", bound, measured)
        floor = median(costs[BROADCAST] for costs in rounds)
        measured = f"a message of that broadcast: {message.frame_bytes() / 1000:.0f} kB, {hz:g} Hz, {clients} clients"
        yield Figure(floor * 1e6, " µs", None, measured)


def _round(sides: dict[str, Side], clients: int, hz: float) -> dict[str, float]:
    """CPU seconds per delivered message on each side, over the same seconds."""
    watch = Stopwatch(each.pid for each in sides.values())
    before = {name: each.clients.ask("count") for name, each in sides.items()}
    time.sleep(_SECONDS)
    costs = {}
    for name, each in sides.items():
        messages = (each.clients.ask("count") - before[name]) / message.frame_bytes()
        due = hz * clients * watch.wall
        if not 0.8 * due < messages < 1.2 * due:
            raise CouldNotMeasure(f"{name} delivered {messages:.0f} messages where {due:.0f} were due")
        costs[name] = watch.cpu_of(each.pid) / messages
    return costs
