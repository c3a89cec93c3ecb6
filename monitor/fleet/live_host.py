"""One host of the fleet as this process knows it: its newest snapshot, and whether its agent is connected, here or elsewhere."""

from __future__ import annotations

import math
import secrets
from typing import Any, Protocol

import msgspec

from monitor.fleet.bounds import SeenGpus
from monitor.fleet.bus.base import Agent, HostNews
from monitor.fleet.clock_offset import ClockOffset
from monitor.fleet.host_summary import HostSummary, SummarizedSnapshot
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.reading_age import ReadingAge
from monitor.fleet.registry import Row
from monitor.live.hub import Hub
from monitor.sanitize import plain
from monitor.telemetry.freshness import longest_silence
from monitor.telemetry.schema import Alert, Snapshot

MOST_OFFSET_SECONDS = 2.0
"""A clock that is further off is reported."""
COPY_SECONDS = 180.0
"""How long a copied host id is reported after the copy has tried to connect, which it does at least once a minute."""


class AgentSocket(Protocol):
    """An open connection of an agent."""

    hello: Hello

    def end(self, refusal: Refused) -> None:
        """Send the refusal and close the socket. From any thread."""


class LiveHost:
    """One host. Changed under the fleet's lock. `now` is the hub's monotonic clock."""

    def __init__(self, host_id: str, name: str, tags: tuple[str, ...]) -> None:
        self.host_id = host_id
        self.name = name
        self.tags = tags
        self.row: Row | None = None
        """What the registry said last."""
        self.socket: AgentSocket | None = None
        """While the agent is connected to this process."""
        self.agent: Agent | None = None
        """While the agent is connected, here or elsewhere."""
        self.hello: Hello | None = None
        """Of the last connection to this process."""
        self.news: HostNews | None = None
        """From the process that had the last connection, if that is another one."""
        self.snapshot: Snapshot | None = None
        """The newest; of a host that is connected elsewhere only while it is watched here."""
        self._summarized: SummarizedSnapshot | None = None
        self.seen_gpus = SeenGpus()
        self.reading_age = ReadingAge()
        self.alerts: tuple[Alert, ...] = ()
        """The open ones."""
        self.number = secrets.randbits(48)
        """Of that snapshot. It begins anywhere, so that no two processes give snapshots of a host the same."""
        self.arrived_at: float | None = None
        """When the newest snapshot arrived at the hub."""
        self.heard_at: float | None = None
        """When its agent connected or sent something."""
        self.late_count = 0
        """Snapshots from times without a connection that have arrived since the hub started."""
        self.hub: Hub | None = None
        """For the clients that watch it live; None while there are none."""
        self.followed_until = -math.inf
        """Until when this process reads its snapshots, if it is connected elsewhere, also without such clients."""
        self.offset = ClockOffset()
        self.copied = ""
        """A sentence about the other machine with the same id, once one has tried to connect."""
        self.copied_at = -math.inf
        """When it tried last."""
        self.is_missing = False
        """The registry was read once and did not have it."""

    def is_watched(self, now: float) -> bool:
        """Whether this process needs its snapshots."""
        return self.hub is not None or now < self.followed_until

    def forget_unwatched(self, now: float) -> None:
        """Nobody may need the snapshot any more, which is then kept by the process that has its agent."""
        if self.news is not None and not self.is_watched(now):
            self.snapshot, self.number = None, 0

    def is_heard(self, now: float) -> bool:
        """Whether its agent sends."""
        return self.heard_at is not None and now - self.heard_at <= longest_silence(self._interval)

    def is_connected_with(self, agent: Agent | None) -> bool:
        """Whether this connection is the host's, and open."""
        return self.agent is not None and agent is not None and self.agent.connection == agent.connection

    @property
    def _interval(self) -> float | None:
        """Between its readings, in seconds."""
        if self.news is not None:
            return self.news.poll_interval_seconds
        return self.snapshot.poll_interval_seconds if self.snapshot else None

    def news_here(self, now: float) -> HostNews:
        """Its news for other processes, while its agent is connected to this one."""
        return HostNews(summary=self.summary(now), number=self.number, poll_interval_seconds=self._interval)

    # ── In words ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def stale_reason(self, now: float, trouble: str | None = None) -> str | None:
        """Why its readings are not current; None while they are. `trouble`: why other processes are not heard."""
        age = None if self.arrived_at is None else now - self.arrived_at
        if self.news is not None and trouble is not None:
            return trouble
        if age is None or not (self.news or self.snapshot):
            return "No reading has arrived since the hub started."
        if age > longest_silence(self._interval):
            return f"Nothing has arrived from this host for {age:.0f} s."
        if self.news is not None:
            return self.news.summary.stale_reason
        assert self.snapshot is not None
        if self.snapshot.stale or self.snapshot.sampled_at is None:
            return self.snapshot.stale_reason or "There is no reading yet."
        return None

    def shown(self, now: float, trouble: str | None, snapshot: Snapshot | None = None) -> Snapshot | None:
        """The snapshot (None: the one that this process has) with the open alerts, marked as stale if it is."""
        snapshot = snapshot or self.snapshot
        if snapshot is None or self.arrived_at is None:
            return None
        snapshot = msgspec.structs.replace(snapshot, alerts=self.alerts)
        reason = self.stale_reason(now, trouble)
        if reason is None or snapshot.stale or snapshot.sampled_at is None:
            return snapshot
        age = snapshot.age_seconds
        reading_age = None if age is None else age + now - self.arrived_at
        return msgspec.structs.replace(snapshot, stale=True, age_seconds=reading_age, stale_reason=reason)

    def problem(self, now: float) -> str | None:
        """What is wrong with the connection, as a sentence."""
        if now - self.copied_at < COPY_SECONDS:
            return self.copied
        if self.agent is None:
            return self.row.problem or None if self.row else None
        if self.news is not None:
            return self.news.summary.problem
        seconds = self.offset.seconds
        if seconds is None or abs(seconds) < MOST_OFFSET_SECONDS:
            return None
        return f"Its clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the hub's."

    def summary(self, now: float, trouble: str | None = None) -> HostSummary:
        """As /api/hosts lists it."""
        reason, row = self.stale_reason(now, trouble), self.row
        known = self._summary_here() if self.news is None else self.news.summary
        return msgspec.structs.replace(
            known,
            name=self.name,
            state="active" if row is None else row.state,
            tags=self.tags,
            is_connected=self.agent is not None,
            age_seconds=None if self.arrived_at is None else now - self.arrived_at,
            stale=reason is not None,
            stale_reason=reason,
            free_gpu_count=known.free_gpu_count if reason is None else None,
            last_seen_at=row.last_seen_at.timestamp() if row and row.last_seen_at else None,
            problem=self.problem(now),
        )

    def _summary_here(self) -> HostSummary:
        """What its snapshot, its agent and, without them, the registry say."""
        snapshot, row = self.snapshot, self.row
        known: dict[str, Any] = {"driver_version": row.driver_version or None if row else None}
        if snapshot is not None:
            if self._summarized is None or self._summarized.snapshot is not snapshot:
                self._summarized = SummarizedSnapshot(snapshot)
            known = self._summarized.fields()
        return HostSummary(
            host_id=self.host_id,
            name=self.name,
            is_hub=False,
            state="",
            is_connected=False,
            stale=True,
            agent_version=plain(self.hello.version) if self.hello else (row.agent_version or None if row else None),
            clock_offset_seconds=self.offset.seconds,
            late_count=self.late_count,
            **known,
        )
