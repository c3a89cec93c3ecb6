"""The board of the hosts now, made once a tick for all pages that are open."""

from __future__ import annotations

import functools

from monitor.runtime.process import runtime
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import Alert, Snapshot
from monitor.web.hosts.facts import facts_of
from monitor.web.hosts.page import Board
from monitor.web.hosts.picker import shown_hosts


def board_of(running: Runtime, snapshot: Snapshot) -> Board:
    """Every host at the time of this snapshot, which has the open alerts of all."""
    alerts: dict[str | None, list[Alert]] = {}
    for alert in snapshot.alerts:
        alerts.setdefault(alert.host_id, []).append(alert)
    hosts = [
        facts_of(summary, alerts.get(None if summary.is_hub else summary.host_id, []))
        for summary in shown_hosts(running)
    ]
    return Board(hosts, now=snapshot.time)


class Boards:
    """Keeps the newest."""

    def __init__(self) -> None:
        self._newest: tuple[Runtime, int, Board] | None = None

    def at(self, snapshot: Snapshot) -> Board:
        """The board of this tick. It is the same for all viewers."""
        running = runtime()
        if self._newest is None or self._newest[0] is not running or self._newest[1] != snapshot.seq:
            self._newest = running, snapshot.seq, board_of(running, snapshot)
        return self._newest[2]


@functools.cache
def boards() -> Boards:
    """Those of this process."""
    return Boards()
