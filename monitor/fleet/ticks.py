"""The hub of the pages that show all hosts: a frame a second while somebody watches, and nothing at other times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from monitor.live.hub import Hub
from monitor.telemetry.schema import Alert, Snapshot

SECONDS = 1.0


class FleetTicks:
    """Used in the event loop. A hub lasts from its first client to its last. Its snapshots have no GPUs."""

    def __init__(
        self,
        *,
        make_hub: Callable[[Callable[[bool], None]], Hub],
        host: Callable[[], str],
        alerts: Callable[[], tuple[Alert, ...]],
    ) -> None:
        """`make_hub`: it says whether somebody watches it. `host`: the name of the host that answers. `alerts`: the open ones."""
        self._make_hub, self._host, self._alerts = make_hub, host, alerts
        self._hub: Hub | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0

    def hub(self) -> Hub:
        """For a client that joins it now."""
        if self._hub is None:
            self._hub = self._make_hub(self._set_watched)
            self._hub.take(self.snapshot())
        return self._hub

    def snapshot(self) -> Snapshot:
        """Of this moment."""
        self._number += 1
        now = time.time()
        return Snapshot(
            host=self._host(),
            seq=self._number,
            time=now,
            sampled_at=now,
            age_seconds=0.0,
            poll_interval_seconds=SECONDS,
            alerts=self._alerts(),
        )

    def newest(self) -> Snapshot:
        """That of the last tick while somebody watches, at most a second old; else of this moment."""
        if self._hub is not None and self._timer is not None and (ticked := self._hub.published) is not None:
            return ticked
        return self.snapshot()

    def _set_watched(self, is_watched: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if is_watched:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._tick)
        else:
            self._hub = None

    def _tick(self) -> None:
        if self._hub is not None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._tick)
            self._hub.take(self.snapshot())
