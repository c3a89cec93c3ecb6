"""Holds the newest snapshot and makes frames of it for the consumers. Clients have no queues; without clients, nothing is made."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

import msgspec

from monitor.live.frames import Frame
from monitor.live.pacing import Schedule
from monitor.live.series import MINUTE_METRICS, MINUTE_SECONDS, QUARTER_METRICS, QUARTER_SECONDS, Series
from monitor.telemetry.freshness import as_of_now, longest_silence
from monitor.telemetry.schema import Alert, Snapshot


class Hub:
    """A stage. Snapshots come from the telemetry thread; methods that name no thread run in one event loop."""

    name = "hub"
    problem: str | None = None

    def __init__(
        self,
        *,
        max_rate_hz: float,
        version: str = "",
        on_watched: Callable[[bool], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._version = version
        self._schedule = Schedule(1 / max_rate_hz)
        self._on_watched = on_watched
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._published: Snapshot | None = None
        self.taken_at: float | None = None
        """When the newest snapshot arrived, by the monotonic clock; None before the first."""
        self._alerts: tuple[Alert, ...] = ()
        self.minute = Series(MINUTE_METRICS, seconds=MINUTE_SECONDS)
        """The last minute of every GPU, each reading of it."""
        self.quarter = Series(QUARTER_METRICS, seconds=QUARTER_SECONDS, step_seconds=1.0)
        """The last 15 minutes of every GPU, one reading per second."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._frame: Frame | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self.clients: dict[str, int] = {}
        """Open sockets by kind."""
        self.dropped_frames = 0
        """Frames that clients missed because they did not read fast enough, since the start. Clients with a rate of their own
        miss frames anyway, and are not counted."""

    # ── From the telemetry thread ─────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Nothing to do: frames are made from the first client on (`join`)."""

    def stop(self) -> None:
        """Nothing to save: the server closes the sockets."""

    def take(self, snapshot: Snapshot) -> None:
        """Replace the newest snapshot. Wakes the event loop only if there are clients."""
        with self._lock:
            self._published = msgspec.structs.replace(snapshot, alerts=self._alerts) if self._alerts else snapshot
            self.taken_at = self._monotonic()
            self.minute.add(snapshot)
            self.quarter.add(snapshot)
            self._wake()

    def set_alerts(self, alerts: tuple[Alert, ...]) -> None:
        """Add the open alerts to the newest snapshot and to all later ones. From any thread."""
        with self._lock:
            if alerts == self._alerts:
                return
            self._alerts = alerts
            if self._published is not None:
                self._published = msgspec.structs.replace(self._published, alerts=alerts)
                self._wake()

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._arrived)

    def set_max_rate(self, max_rate_hz: float) -> None:
        """Make at most this many frames per second from now on. From any thread."""
        with self._lock:
            if self._schedule.interval_seconds != 1 / max_rate_hz:
                self._schedule = Schedule(1 / max_rate_hz)
                self._wake()

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot, stale if none has followed for too long; None before the first."""
        snapshot = self._published
        return snapshot and as_of_now(snapshot, self.silent_seconds)

    @property
    def published(self) -> Snapshot | None:
        """The newest snapshot as it was when it was published."""
        return self._published

    @property
    def silent_seconds(self) -> float:
        """Time since the newest snapshot arrived, by the monotonic clock; 0 before the first."""
        return 0.0 if self.taken_at is None else self._monotonic() - self.taken_at

    @property
    def client_count(self) -> int:
        """Open sockets of every kind."""
        return sum(self.clients.values())

    # ── In the event loop ─────────────────────────────────────────────────────────────────────────────────────────────

    def join(self, kind: str) -> None:
        """Add a client of this kind. The first one starts the making of frames."""
        is_first = self.client_count == 0
        self.clients[kind] = self.clients.get(kind, 0) + 1
        if is_first:
            with self._lock:
                self._loop = asyncio.get_running_loop()
            self._frame = None
            if self._on_watched:
                self._on_watched(True)

    def leave(self, kind: str) -> None:
        """Remove a client. After the last one, nothing is kept of the frames."""
        self.clients[kind] -= 1
        if self.client_count == 0:
            with self._lock:
                self._loop = None
            self._frame = None
            self._cancel_timer()
            if self._silence is not None:
                self._silence.cancel()
            if self._on_watched:
                self._on_watched(False)

    async def newer(self, seen: int) -> Frame:
        """Wait for a frame other than number `seen`, and return the newest. Only between `join` and `leave`."""
        if self._frame is None:
            self._make_frame()  # for a client that has just joined: not counted, so that it does not delay the next reading
        while self._frame is None or self._frame.number == seen:
            woken = asyncio.get_running_loop().create_future()
            self._waiting.add(woken)
            try:
                await woken
            finally:
                self._waiting.discard(woken)
        return self._frame

    async def next_or_newest(self, *, seconds: float) -> Frame:
        """Wait for the next frame; return the newest one if none comes in time. Only between `join` and `leave`."""
        newest = await self.newer(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                newest = await self.newer(newest.number)
        return newest

    def _arrived(self) -> None:
        """A snapshot has arrived: make a frame if one is due. If not, the next snapshot gets one.

        A snapshot without a successor gets its frame an interval later than due.
        """
        if self._loop is None:
            return
        now, schedule = self._loop.time(), self._schedule
        wait = schedule.seconds_until_due(now)
        if wait == 0:
            self._make_due_frame()
        elif self._timer is None:
            self._timer = self._loop.call_later(wait + schedule.interval_seconds, self._make_due_frame)

    def _make_due_frame(self) -> None:
        self._cancel_timer()
        if self._make_frame():
            self._schedule.count(asyncio.get_running_loop().time())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _listen(self, snapshot: Snapshot) -> None:
        """Make a frame that says so if no snapshot follows for too long: the telemetry thread can die, and clients must see it."""
        if self._silence is not None:
            self._silence.cancel()
        longest = longest_silence(snapshot.poll_interval_seconds)
        rest = max(0.0, longest - self.silent_seconds) or longest
        self._silence = asyncio.get_running_loop().call_later(rest + 0.1, self._heard_nothing, snapshot)

    def _heard_nothing(self, snapshot: Snapshot) -> None:
        if self.silent_seconds > longest_silence(snapshot.poll_interval_seconds):
            self._make_frame(even_if_old=True)
        else:
            self._listen(snapshot)

    def _make_frame(self, *, even_if_old: bool = False) -> bool:
        """Make a frame of the newest snapshot, and wake the clients. Returns False if there is no newer snapshot."""
        with self._lock:  # so that the snapshot and the newest points belong together
            snapshot = self._published
            is_old = self._frame is not None and self._frame.source is snapshot
            if snapshot is None or (is_old and not even_if_old):
                return False
            self._frame = Frame(
                1 if self._frame is None else self._frame.number + 1,
                as_of_now(snapshot, self.silent_seconds),
                source=snapshot,
                minute=self.minute,
                quarter=self.quarter,
                version=self._version,
                previous=self._frame,
            )
        self._listen(snapshot)
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)
        return True
