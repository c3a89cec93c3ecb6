"""The page of 200 hosts with 8 GPUs each: main-thread time against the page of one host with 64 GPUs, every value changing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

import msgspec

from bench import message
from bench.chromium import main_thread_rounds, opened
from bench.figures import CouldNotMeasure, Figure
from bench.serving import data_folder, listening, replaying
from monitor.telemetry.schema import Snapshot
from monitor.telemetry.totals import total
from tests.support.chromium import chromium
from tests.support.servers import Server, wait_for
from tests.support.simulated_agents import SimulatedAgent, join, running

_HOSTS, _GPUS, _HZ = 200, 64, 1
_ROUNDS, _SECONDS, _SETTLE_SECONDS = 5, 8.0, 10.0
_SNAPSHOTS = 50


def measure() -> Iterator[Figure]:
    """Both pages are open at once and measured over the same seconds."""
    made = [_summed(message.snapshot(7 * number)) for number in range(_SNAPSHOTS)]
    agents = [
        SimulatedAgent(f"node-{place:03}", _reader(made, place), (f"rack-{place // 20}",)) for place in range(_HOSTS)
    ]
    with data_folder() as folder, replaying(gpus=_GPUS, hz=_HZ) as one, chromium() as browser:
        hub = Server(folder, telemetry_provider="simulated", simulated_gpus=1, history=False)
        join(hub, agents)
        with listening(hub), running(hub.ws, agents, hz=_HZ):
            wait_for(lambda: _live(hub) == _HOSTS, "all hosts to be live", seconds=60)
            pages = [opened(browser) for _ in range(2)]
            for page, url in zip(pages, (hub.url, one.url), strict=True):
                page.goto(f"{url}/")
            pages[0].wait_for_timeout(_SETTLE_SECONDS * 1000)
            if (rows := pages[0].locator(".of-host[id]").count()) != _HOSTS + 1:
                raise CouldNotMeasure(f"the page has {rows} hosts")
            rounds = main_thread_rounds(pages, rounds=_ROUNDS, seconds=_SECONDS)
    measured = (
        f"{_HOSTS} hosts with {message.GPUS} GPUs: main thread / of {_GPUS} GPUs of one host, all changing at {_HZ} Hz"
    )
    yield Figure(median(hosts / gpus for hosts, gpus in rounds), "x", 2, measured)
    a_tick = median(hosts for hosts, _ in rounds) / _SECONDS / _HZ
    yield Figure(a_tick * 1e3, " ms", None, "main thread a tick")


def _summed(snapshot: Snapshot) -> Snapshot:
    gpus = tuple([msgspec.structs.replace(gpu, use="busy") for gpu in snapshot.gpus])
    return msgspec.structs.replace(snapshot, gpus=gpus, totals=total(gpus), poll_interval_seconds=1 / _HZ)


def _reader(made: list[Snapshot], place: int) -> Callable[[float], Snapshot]:
    """Each host has its own values at each second."""
    return lambda now: msgspec.structs.replace(made[(int(now) + place) % len(made)], time=now, sampled_at=now)


def _live(hub: Server) -> int:
    return sum(not host["stale"] and not host["is_hub"] for host in hub.json("/api/hosts")["hosts"])
