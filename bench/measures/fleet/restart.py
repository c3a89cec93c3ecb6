"""A hub that restarts: how long it takes to stop, and until all of its agents are back. No host may count as down for it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.child import Child
from bench.figures import CouldNotMeasure, Figure
from bench.measures.fleet.hub import HOSTS, HZ
from bench.measures.fleet.scene import count, one_process, sending

_SETTLE_SECONDS = 15.0
_AFTER_SECONDS = 70.0
"""The rule *Host down* fires when a host has been down for 60 s."""
_LONGEST_SECONDS = 120.0
_TOLD = "SELECT count(*) FROM monitor_alertevent WHERE rule_name LIKE '%down%'"


def measure() -> Iterator[Figure]:
    with one_process() as hub:
        [server] = hub.servers
        hub.join(HOSTS)
        with sending(hub, hz=HZ, hosts=HOSTS) as agents:
            time.sleep(_SETTLE_SECONDS)
            began = time.monotonic()
            server.stop(seconds=60)
            stopped = time.monotonic() - began
            server.start()
            listening_at = time.monotonic()
            back = _seconds_until_all_are_back(agents, listening_at)
            time.sleep(_AFTER_SECONDS)
            [(told,)] = server.sql(_TOLD)
    yield Figure(back, " s", 30.0, f"from the start of a hub until its {HOSTS} agents are connected again")
    yield Figure(told, " alerts", 0.0, "that said a host is down")
    yield Figure(stopped, " s", None, "from SIGTERM to the end of the hub before")


def _seconds_until_all_are_back(agents: Child, began: float) -> float:
    while count(agents).connected < HOSTS:
        if time.monotonic() - began > _LONGEST_SECONDS:
            raise CouldNotMeasure(f"only {count(agents).connected} of {HOSTS} agents are back")
        time.sleep(0.1)
    return time.monotonic() - began
