"""The one telemetry loop of this process: the supervisor and the hub it feeds, started by whoever needs them first."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable

from monitor.live.hub import Hub
from monitor.telemetry.host.system import SystemMetrics
from monitor.telemetry.options import Options
from monitor.telemetry.sampler.supervisor import Supervisor
from monitor.telemetry.schema import Snapshot


class Live:
    """Readings on their way to open sockets. `start` may be called by everyone who needs them; the first call counts."""

    def __init__(
        self,
        options: Options,
        *,
        host: str,
        timeout_seconds: float,
        max_rate_hz: float,
        with_system_metrics: bool,
        version: str,
    ) -> None:
        self.hub = Hub(max_rate_hz=max_rate_hz, version=version, on_watched=self._watched)
        self.also: Callable[[Snapshot], None] = lambda _snapshot: None
        """Whoever else takes each snapshot, in the telemetry thread: it must not keep that waiting."""
        self.supervisor = Supervisor(
            options,
            self._publish,
            host=host,
            timeout_seconds=timeout_seconds,
            system=SystemMetrics().read if with_system_metrics else None,
        )
        self._has_system_metrics = with_system_metrics
        self._lock = threading.Lock()
        self._has_started = False

    def start(self) -> bool:
        """Start reading, if nobody has. Says whether this call did. Ends by itself with the process."""
        with self._lock:
            if self._has_started:
                return False
            self._has_started = True
            atexit.register(self.supervisor.stop)
            self.supervisor.start()
            return True

    def apply(self, options: Options, *, max_rate_hz: float, with_system_metrics: bool) -> None:
        """Go on with these, from any thread, whether started or not. What is as before is left alone."""
        self.supervisor.set_options(options)
        self.hub.set_max_rate(max_rate_hz)
        with self._lock:
            if with_system_metrics != self._has_system_metrics:
                self._has_system_metrics = with_system_metrics
                self.supervisor.set_system(SystemMetrics().read if with_system_metrics else None)

    def _publish(self, snapshot: Snapshot) -> None:
        self.hub.publish(snapshot)
        self.also(snapshot)

    def _watched(self, is_watched: bool) -> None:
        self.supervisor.set_watched(is_watched)
