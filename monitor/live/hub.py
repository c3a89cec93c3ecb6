"""Holds the newest snapshot and hands frames to whoever watches: no queue a client, nothing made for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import msgspec

from monitor.live.frames import Frame
from monitor.live.series import MINUTE_METRICS, MINUTE_SECONDS, QUARTER_METRICS, QUARTER_SECONDS, Series
from monitor.telemetry.schema import Alert, Snapshot


class Hub:
    """A stage. Snapshots come in by `take` from the telemetry thread; everything else happens in one event loop."""

    name = "hub"
    problem: str | None = None

    def __init__(
        self,
        *,
        max_rate_hz: float,
        version: str = "",
        on_watched: Callable[[bool], None] | None = None,
    ) -> None:
        self._version = version
        self._shortest = 1 / max_rate_hz
        self._on_watched = on_watched
        self._lock = threading.Lock()
        self._latest: Snapshot | None = None
        self._alerts: tuple[Alert, ...] = ()
        self.minute = Series(MINUTE_METRICS, seconds=MINUTE_SECONDS)
        """The last minute of every GPU, each reading of it."""
        self.quarter = Series(QUARTER_METRICS, seconds=QUARTER_SECONDS, step_seconds=1.0)
        """The last 15 minutes of every GPU, one reading a second."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._frame: Frame | None = None
        self._cut_at = 0.0
        self._planned: asyncio.TimerHandle | None = None
        self.clients: dict[str, int] = {}
        """Open sockets by kind."""

    # ── From the telemetry thread ─────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Frames start with the first client (`join`)."""

    def stop(self) -> None:
        """Nothing to save; sockets are closed by the server."""

    def take(self, snapshot: Snapshot) -> None:
        """Take the newest snapshot. Wakes the event loop only when somebody waits for it."""
        with self._lock:
            self._latest = msgspec.structs.replace(snapshot, alerts=self._alerts) if self._alerts else snapshot
            self.minute.add(snapshot)
            self.quarter.add(snapshot)
            self._wake()

    def set_alerts(self, alerts: tuple[Alert, ...]) -> None:
        """Attach the alerts that are open from now on; the newest snapshot goes out again with them. From any thread."""
        with self._lock:
            self._alerts = alerts
            if self._latest is not None:
                self._latest = msgspec.structs.replace(self._latest, alerts=alerts)
                self._wake()

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._arrived)

    def set_max_rate(self, max_rate_hz: float) -> None:
        """Cut frames at most so often from the next one on. From any thread."""
        self._shortest = 1 / max_rate_hz

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot; None before the first."""
        return self._latest

    @property
    def client_count(self) -> int:
        """Open sockets of every kind."""
        return sum(self.clients.values())

    # ── In the event loop ─────────────────────────────────────────────────────────────────────────────────────────────

    def join(self, kind: str) -> None:
        """A client of this kind is there. The first one starts the making of frames."""
        is_first = self.client_count == 0
        self.clients[kind] = self.clients.get(kind, 0) + 1
        if is_first:
            with self._lock:
                self._loop = asyncio.get_running_loop()
            self._frame = None
            self._cut_at = 0.0
            if self._on_watched:
                self._on_watched(True)

    def leave(self, kind: str) -> None:
        """A client is gone. After the last one nothing is kept of the frames."""
        self.clients[kind] -= 1
        if self.client_count == 0:
            with self._lock:
                self._loop = None
            self._frame = None
            if self._planned is not None:
                self._planned.cancel()
                self._planned = None
            if self._on_watched:
                self._on_watched(False)

    async def newer(self, seen: int) -> Frame:
        """The newest frame, waiting until it is not number `seen`. Only between `join` and `leave`."""
        if self._frame is None and self._latest is not None:
            self._cut()
        while self._frame is None or self._frame.number == seen:
            woken = asyncio.get_running_loop().create_future()
            self._waiting.add(woken)
            try:
                await woken
            finally:
                self._waiting.discard(woken)
        return self._frame

    def _arrived(self) -> None:
        """A snapshot is there: cut a frame now, or when the rate allows the next one."""
        if self._loop is None or self._planned is not None:
            return
        wait = self._cut_at + self._shortest - self._loop.time()
        # A snapshot that comes a little early on its own grid must not slip to the next slot: 10 % are let pass.
        if wait <= 0.1 * self._shortest:
            self._cut()
        else:
            self._planned = self._loop.call_later(wait, self._cut)

    def _cut(self) -> None:
        self._planned = None
        with self._lock:  # so that the snapshot and the newest points belong together
            snapshot = self._latest
            if snapshot is None or (self._frame is not None and self._frame.snapshot is snapshot):
                return
            self._frame = Frame(
                1 if self._frame is None else self._frame.number + 1,
                snapshot,
                minute=self.minute,
                quarter=self.quarter,
                version=self._version,
                previous=self._frame,
            )
        self._cut_at = asyncio.get_running_loop().time()
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)
