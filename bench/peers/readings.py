"""What one reading of the GPUs costs: bare NVML calls, gpumon, and its peers, on the same fake driver, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import NamedTuple

from bench.child import Child, child
from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure
from bench.host import Host, fake_host
from bench.serving import Readings, processes, serving_host, watched

BARE, FAST, SECOND, WHOLE = "bare calls", "gpumon, fast tick", "gpumon, at 1 Hz", "gpumon, whole tick"
PEERS = ("nvitop", "nvitop-exporter", "gpustat", "glances")
_OWN = {BARE: "bare", FAST: "provider", SECOND: "second"}
_ROUNDS, _ROUND_SECONDS, _MOST_READINGS = 5, 0.4, 60
"""Each side reads for about so long a round. Some sleep a part of it."""
_PAUSE_SECONDS = "0.005"
_LISTENING = "nvmlEventSetWait_v2"
"""gpumon waits for Xid errors in its own thread, every few seconds; not part of a reading."""
_WHOLE_HZ, _WHOLE_SECONDS = 2, 8.0


class Cost(NamedTuple):
    """Of one reading."""

    milliseconds: float
    """CPU."""
    calls: float | None
    """NVML calls, counted by the driver; None where they were not counted."""


def measure(gpus: int, processes_each: int, python: str) -> dict[str, Cost]:
    """The medians of this many GPUs with this many processes each. `python`: the interpreter that has the peers."""
    with fake_host(gpus=gpus, processes=processes_each) as host:
        with _sides(host, python, {"gpus": gpus, "processes": gpus * processes_each}) as sides:
            costs = _measured(host, sides)
        costs[WHOLE] = Cost(_whole_tick(host), None)
        return costs


@contextmanager
def _sides(host: Host, python: str, due: Mapping[str, int]) -> Iterator[dict[str, Child]]:
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(child("bench.ticks", side, _PAUSE_SECONDS, environment=host.environment))
            for name, side in _OWN.items()
        }
        for name in PEERS:
            peer = child("bench.peers.side", name, _PAUSE_SECONDS, environment=host.environment, python=python)
            sides[name] = stack.enter_context(peer)
            found = sides[name].answer()
            if found["gpus"] != due["gpus"] or found["processes"] not in (0, due["processes"]):
                raise CouldNotMeasure(f"{name} found {found} where there are {due}")
        yield sides


def _measured(host: Host, sides: Mapping[str, Child]) -> dict[str, Cost]:
    counts, calls = {}, {}
    for name, side in sides.items():
        side.ask(1)
        began = time.monotonic()
        side.ask(1)
        counts[name] = max(1, min(_MOST_READINGS, round(_ROUND_SECONDS / (time.monotonic() - began))))
        host.driver.reset_calls()
        side.ask(counts[name])
        made = host.driver.calls()
        calls[name] = (sum(made.values()) - made.get(_LISTENING, 0)) / counts[name]
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(_ROUNDS):
        for name, side in sides.items():
            host.change()
            times[name].append(side.ask(counts[name]) / counts[name])
    return {name: Cost(median(times[name]) * 1e3, calls[name]) for name in sides}


def _whole_tick(host: Host) -> float:
    """CPU of server and sampler a reading, with a dashboard and a feed open, while every value changes."""
    with serving_host(host, hz=_WHOLE_HZ) as server, watched(server):
        host.change_for(_WHOLE_SECONDS / 2, hz=_WHOLE_HZ)
        readings, watch = Readings(server), Stopwatch(processes(server))
        host.change_for(_WHOLE_SECONDS, hz=_WHOLE_HZ)
        spent, wall = watch.cpu, watch.wall
        return spent / readings.count(due=wall * _WHOLE_HZ) * 1e3
