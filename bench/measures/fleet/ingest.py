"""The cost of a reading of another host: the consumer of agents under uvicorn and daphne, against a server that only decodes it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from bench.child import child
from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure, Figure
from bench.serving import data_folder, listening
from bench.sides import Side
from tests.support.servers import Server

FLOOR = "websockets"
_COMMANDS = {
    FLOOR: ["-m", "bench.ingest.floor", "{port}"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "bench.ingest.app:application"],
    "daphne": ["-m", "daphne", "-p", "{port}", "-v", "0", "bench.ingest.app:application"],
}
_AGENTS, _HZ = 20, 4.0
_ROUNDS, _SECONDS, _SETTLE_SECONDS = 9, 3.0, 2.0
_BOUND = 4.0
_RECORDED_HOSTS, _RECORDED_SECONDS = 20, 1200
"""So that each host's chunk of ten minutes is closed as often as in any 20 minutes."""


def measure() -> Iterator[Figure]:
    with ExitStack() as stack:
        sides = {name: stack.enter_context(_side(name)) for name in _COMMANDS}
        time.sleep(_SETTLE_SECONDS)
        rounds = [_round(sides) for _ in range(_ROUNDS)]
    for name in ("uvicorn", "daphne"):
        ratio = median(costs[name] / costs[FLOOR] for costs in rounds)
        measured = (
            f"CPU of a host's reading under {name} / of a websockets server that receives and decodes the same bytes"
        )
        yield Figure(ratio, "x", _BOUND, measured)
    recorded = _recorded()
    ratio = median((costs["uvicorn"] + recorded) / costs[FLOOR] for costs in rounds)
    yield Figure(ratio, "x", _BOUND, "the same under uvicorn, with history and usage, in a database of SQLite")
    measured = (
        f"history and usage of a reading: {_RECORDED_HOSTS} hosts for {_RECORDED_SECONDS // 60} min, with all writing"
    )
    yield Figure(recorded * 1e6, " µs", None, measured)
    floor = median(costs[FLOOR] for costs in rounds)
    measured = f"a reading of that server: 8 GPUs with processes, {_AGENTS} agents, {_HZ:g} Hz each"
    yield Figure(floor * 1e6, " µs", None, measured)


@contextmanager
def _side(name: str) -> Iterator[Side]:
    environment = {"DJANGO_SETTINGS_MODULE": "gpumon_site.settings"}
    command = [sys.executable, *_COMMANDS[name]]
    with (
        data_folder() as folder,
        listening(Server(folder, environment, command)) as server,
        child("bench.ingest.agents", str(server.port), str(_AGENTS), str(_HZ)) as agents,
    ):
        agents.answer()  # all are connected
        assert server.process is not None
        yield Side(server.process.pid, agents)


def _recorded() -> float:
    """CPU seconds of a host's reading."""
    with data_folder() as folder:
        arguments = str(_RECORDED_HOSTS), str(_RECORDED_SECONDS)
        environment = {"GPU_MONITOR_DATA_DIR": str(folder)}
        with child("bench.ingest.recorded", *arguments, environment=environment) as stages:
            seconds: float = stages.answer()
    return seconds


def _round(sides: dict[str, Side]) -> dict[str, float]:
    """CPU seconds per reading on each side, over the same seconds."""
    watch = Stopwatch(each.pid for each in sides.values())
    before = {name: each.clients.ask("count") for name, each in sides.items()}
    time.sleep(_SECONDS)
    costs = {}
    for name, each in sides.items():
        readings = each.clients.ask("count") - before[name]
        due = _HZ * _AGENTS * watch.wall
        if not 0.8 * due < readings < 1.2 * due:
            raise CouldNotMeasure(f"{name} received {readings} readings where {due:.0f} were due")
        costs[name] = watch.cpu_of(each.pid) / readings
    return costs
