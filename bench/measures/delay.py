"""The age of a reading when a client gets it: gpumon's consumers under uvicorn and daphne against the `websockets` library's
broadcast.

All sides make the same messages from the same snapshots at the same rate, which is also the limit of gpumon's hub. Ages are wall
time on one host, from `sampled_at` to the last byte. All sides run at the same time, each in its own third of the interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from bench.figures import Figure
from bench.sides import BROADCAST, COMMANDS, PATHS, Ages, measure_ages, server_of

_CLIENTS = (1, 50, 150, 300)
_SECONDS = {5.0: 6.0, 1.0: 10.0}
"""The messages per second, and the duration of the measurement in seconds."""
_BOUNDS = {("uvicorn", "p50"): 2.0, ("uvicorn", "p99"): 2.0, ("daphne", "p50"): 2.0, ("daphne", "p99"): 2.0}
"""The largest number of clients. With fewer, a p99 is a single message."""


def measure() -> Iterator[Figure]:
    for hz, seconds in _SECONDS.items():
        with ExitStack() as stack:
            servers = {name: stack.enter_context(server_of(name, hz=hz)) for name in COMMANDS}
            for kind, path in PATHS.items():
                ages = {
                    clients: measure_ages(servers, path, clients=clients, hz=hz, seconds=seconds)
                    for clients in _CLIENTS
                }
                yield from _figures(f"{kind} at {hz:g} Hz", ages)


def _figures(what: str, ages: Mapping[int, Mapping[str, Ages]]) -> Iterator[Figure]:
    *fewer, most = _CLIENTS
    for (name, quantile), bound in _BOUNDS.items():
        ratios = {
            clients: getattr(sides[name], quantile) / getattr(sides[BROADCAST], quantile)
            for clients, sides in ages.items()
        }
        others = ", ".join(f"{ratios[clients]:.2g}x with {clients}" for clients in fewer)
        milliseconds = 1e3 * getattr(ages[most][name], quantile)
        measured = f"{quantile} of {what}, {most} clients, {name} ({milliseconds:.1f} ms) / broadcast; {others}"
        yield Figure(ratios[most], "x", bound, measured)
    for clients, sides in ages.items():
        p50, p99 = (1e3 * seconds for seconds in sides[BROADCAST])
        yield Figure(p50, " ms", None, f"p50 of that broadcast, {clients} clients; p99 {p99:.1f} ms")
