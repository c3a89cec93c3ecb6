"""How long a start takes, from running the program to its first reading, against importing the libraries it uses; then a stop."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.host import Host, fake_host
from bench.serving import data_folder, listening
from tests.support.servers import Server, wait_for

_TIMES = 7
_IMPORTS = "import channels.generic.websocket, daphne.server, django.core.handlers.asgi"
"""Modules that `import django, channels, daphne` would not import: the packages themselves are almost empty."""
_BOUND = 2.5
"""Measured: 1.9 to 2.1. Besides the imports, the
start sets up Django, starts the sampler and waits for its first reading."""


def measure() -> Iterator[Figure]:
    """Seconds of wall time, alternating with the floor; the best of each counts, because noise only adds."""
    firsts, agains, stops, floors = [], [], [], []
    with fake_host() as host:
        for _ in range(_TIMES):
            with data_folder() as folder:
                firsts.append(_seconds(host, folder)[0])
                again, stop = _seconds(host, folder)
                agains.append(again)
                stops.append(stop)
            floors.append(_import_seconds())
    measured = f"seconds from `manage.py serve` to the first reading / for the imports it needs, best of {_TIMES}"
    yield Figure(min(agains) / min(floors), "x", _BOUND, measured)
    yield Figure(min(agains), " s", None, "that start")
    yield Figure(
        min(firsts), " s", None, "the very first start, which makes the database and collects the static files"
    )
    yield Figure(statistics.median(stops), " s", None, "from SIGTERM to the exit, the median")
    yield Figure(min(floors), " s", None, f"the floor: the imports, `{_IMPORTS}`")


def _seconds(host: Host, folder: Path) -> tuple[float, float]:
    """To the first reading, and from SIGTERM to the exit."""
    began = time.monotonic()
    with listening(Server(folder, host.environment, telemetry_provider="pynvml")) as server:
        wait_for(lambda: bool(server.json("/api/snapshot").get("gpus")), "the first reading")
        started = time.monotonic() - began
        began = time.monotonic()
        server.stop()
    return started, time.monotonic() - began


def _import_seconds() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
    return time.monotonic() - began
