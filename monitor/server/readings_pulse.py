"""Whether readings still come in this process: what a watchdog is to know beside the event loop, which turns without them too."""

from __future__ import annotations

from monitor.runtime import process
from monitor.server.systemd import Pulse


def pulse_of_readings() -> Pulse:
    """Alive while the telemetry loop hands on snapshots, stale ones included: a hanging driver is not to end the server.

    They may be missing for as long as /api/health allows: three polling intervals and ten seconds.
    """
    hub = process.started().hub
    return Pulse(lambda: hub.latest, lambda: 3 * process.config().poll_interval_ms / 1000 + 10)
