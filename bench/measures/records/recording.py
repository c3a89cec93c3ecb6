"""What the history recorder and the usage ledger add to a whole tick, in all processes together."""

from __future__ import annotations

from collections.abc import Iterator

from bench.cpu import Stopwatch
from bench.figures import Figure
from bench.host import fake_host
from bench.serving import Readings, processes, serving_host, watched

_SETTLE_SECONDS = 6.0
_OFF = {"history": False, "record_usage": False}


def measure(minutes: float) -> Iterator[Figure]:
    """CPU per reading of two servers over the same minutes at one reading a second, each with a dashboard and a feed open.

    Whole minutes: both recorders write once a minute. At a higher rate, their share would be smaller.
    """
    with (
        fake_host() as host,
        serving_host(host, hz=1, **_OFF) as plain,
        serving_host(host, hz=1) as recording,
        watched(plain),
        watched(recording),
    ):
        host.change_for(_SETTLE_SECONDS, hz=1)
        sides = {server: (Readings(server), Stopwatch(processes(server))) for server in (plain, recording)}
        host.change_for(minutes * 60, hz=1)
        spent = {server: watch.cpu / readings.count(due=watch.wall) for server, (readings, watch) in sides.items()}
    share = 100 * (spent[recording] / spent[plain] - 1)
    yield Figure(
        share, " %", 10, f"CPU that history and usage add to a reading, over {minutes:g} min at 1 Hz, all processes"
    )
    yield Figure(spent[plain] * 1e3, " ms", None, "a reading without them, with a dashboard and a feed open")
    yield Figure(spent[recording] * 1e3, " ms", None, "a reading with them")
