"""The stage that keeps fleet and registry in step: it ends revoked agents and writes down when agents were last seen."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from monitor.fleet import registry
from monitor.fleet.hosts import Fleet
from monitor.models import FleetHost
from monitor.telemetry.schema import Snapshot

POLL_SECONDS = 3.0
"""Between looks at the registry while agents are connected: another process may have changed it. One small query each."""
LEAST_SECONDS = 0.5
"""Between two looks. Each reads all hosts, and each of the agents that connect after a restart asks for one."""
WRITE_SECONDS = 60.0
log = logging.getLogger(__name__)


class RegistryWatch:
    """Works in a thread of its own. Without agents, it looks only at the start and after changes in this process, unless others
    share the registry.
    """

    name = "fleet"

    def __init__(self, fleet: Fleet, *, is_shared: bool = False) -> None:
        """`is_shared`: agents also connect to other processes of this hub."""
        self._fleet = fleet
        self._is_shared = is_shared
        self._problem: str | None = None
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._written_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        for signal in (post_save, post_delete):
            signal.connect(self._changed, sender=FleetHost, dispatch_uid=f"registry watch {id(self)}")
        self._fleet.on_connected = self._woken.set
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """The registry does not depend on this host's readings."""

    def stop(self, seconds: float = 1.0) -> None:
        """Write once more, and end the thread."""
        for signal in (post_save, post_delete):
            signal.disconnect(sender=FleetHost, dispatch_uid=f"registry watch {id(self)}")
        self._stopping.set()
        self._woken.set()
        self._thread.join(seconds)

    @property
    def problem(self) -> str | None:
        return self._problem

    def _changed(self, **_given: Any) -> None:
        transaction.on_commit(self._woken.set)

    def _run(self) -> None:
        while True:
            self._woken.clear()
            looked_at = time.monotonic()
            try:
                self._look()
            except Exception as error:  # whatever it is: revoked agents must be found as soon as that is possible again
                if self._problem is None:
                    log.exception("the hosts of the fleet cannot be read or written")
                self._problem = f"the hosts of the fleet cannot be read or written ({error})"
                connection.close()  # the next look connects again
            else:
                if self._problem is not None:
                    log.info("recovered: the hosts of the fleet can be read and written")
                self._problem = None
            if self._stopping.is_set():
                break
            self._woken.wait(POLL_SECONDS if self._is_shared or self._fleet.connected or self._problem else None)
            self._stopping.wait(max(0.0, looked_at + LEAST_SECONDS - time.monotonic()))
        connection.close()

    def _look(self) -> None:
        now = time.monotonic()
        if self._stopping.is_set() or now - self._written_at >= WRITE_SECONDS:
            registry.write_seen(self._fleet.seen(timezone.now()))
            self._written_at = now
        if not self._stopping.is_set():
            self._fleet.set_rows(registry.rows())
