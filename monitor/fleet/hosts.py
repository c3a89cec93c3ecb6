"""The hosts of the fleet as this process knows them: the newest snapshot of each, and whether its agent is connected."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from monitor.fleet.clock_offset import ClockOffset
from monitor.fleet.host_summary import HostSummary
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, Row, Seen, refused, why_not
from monitor.live.hub import Hub
from monitor.sanitize import plain
from monitor.telemetry.freshness import longest_silence
from monitor.telemetry.schema import Snapshot

MOST_OFFSET_SECONDS = 2.0
"""A clock that is further off is reported."""
COPY_SECONDS = 180.0
"""How long a copied host id is reported after the copy has tried to connect, which it does at least once a minute."""


class Publish(Protocol):
    """Receives the snapshots of all hosts, in the event loop. Must return at once."""

    def __call__(self, snapshot: Snapshot, *, is_late: bool) -> None: ...


class AgentSocket(Protocol):
    """An open connection of an agent."""

    hello: Hello

    def end(self, refusal: Refused) -> None:
        """Send the refusal and close the socket. From any thread."""


class LiveHost:
    """One host. Changed in the event loop, under the fleet's lock where another thread reads."""

    def __init__(self, host_id: str, name: str, tags: tuple[str, ...]) -> None:
        self.host_id = host_id
        self.name = name
        self.tags = tags
        self.row: Row | None = None
        """What the registry said last."""
        self.socket: AgentSocket | None = None
        self.hello: Hello | None = None
        """Of the last connection."""
        self.snapshot: Snapshot | None = None
        """The newest."""
        self.arrived_at: float | None = None
        """When the newest snapshot arrived, by the hub's monotonic clock."""
        self.heard_at: float | None = None
        """When its agent connected or sent something, by the same clock."""
        self.late_count = 0
        """Snapshots from times without a connection that have arrived since the hub started."""
        self.hub: Hub | None = None
        """For the clients that watch it live; None while there are none."""
        self.offset = ClockOffset()
        self.copied = ""
        """A sentence about the other machine with the same id, once one has tried to connect."""
        self.copied_at = -math.inf
        """When it tried last, by the hub's monotonic clock."""

    def forget_hub(self) -> None:
        """The last client has left."""
        self.hub = None


class Fleet:
    """Every host but the hub's own. Used in the event loop; the registry's watch uses `set_rows` and `seen` in its thread."""

    def __init__(
        self,
        own_host_id: str | None,
        *,
        make_hub: Callable[[Callable[[bool], None]], Hub],
        publish: Publish = lambda _snapshot, *, is_late: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make_hub`: a hub for one host; it says whether somebody watches it. `publish`: receives every snapshot."""
        self.own_host_id = own_host_id
        self._make_hub, self._publish = make_hub, publish
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._hosts: dict[str, LiveHost] = {}
        self._seen_until = monotonic()
        self.on_connected: Callable[[], None] = lambda: None
        """Called in the event loop when an agent has connected. The registry's watch sets it."""

    # ── From the agents' sockets ──────────────────────────────────────────────────────────────────────────────────────

    def connect(self, admitted: Admitted, socket: AgentSocket) -> Refused | None:
        """Make this the host's connection, or say why not.

        An agent that connects again replaces its old connection, which may not be known to be broken. A second machine with the
        same id is refused while the first one sends.
        """
        with self._lock:
            host = self._hosts.get(admitted.host_id)
            if host is None:
                host = self._hosts[admitted.host_id] = LiveHost(admitted.host_id, admitted.name, admitted.tags)
            before = host.socket
            if before is not None and _machine(before.hello) != _machine(socket.hello) and self._is_heard(host):
                host.copied, host.copied_at = _copied(before.hello, socket.hello), self._monotonic()
                return Refused(code="copied", text=f"{host.copied} {_HOW_TO_PART}")
            host.name, host.tags = admitted.name, admitted.tags
            host.socket, host.hello = socket, socket.hello
            host.heard_at = self._monotonic()
        if before is not None:
            before.end(Refused(code="copied", text="The agent has connected again."))
        self.on_connected()
        return None

    def disconnect(self, host_id: str, socket: AgentSocket) -> None:
        """The socket is closed."""
        with self._lock:
            host = self._hosts.get(host_id)
            if host is not None and host.socket is socket:
                host.socket = None

    def take(self, host_id: str, snapshot: Snapshot, *, is_late: bool) -> None:
        """A snapshot has arrived. A late one is not shown: newer ones have been."""
        host = self._hosts.get(host_id)
        if host is None:  # deleted a moment ago
            return
        host.heard_at = self._monotonic()
        self._publish(snapshot, is_late=is_late)
        if is_late:
            host.late_count += 1
            return
        host.snapshot, host.arrived_at = snapshot, host.heard_at
        if host.hub is not None:
            host.hub.take(snapshot)

    def took_pong(self, host_id: str, *, agent_time: float, hub_time: float, round_trip_seconds: float) -> None:
        """The agent has told its clock."""
        host = self._hosts.get(host_id)
        if host is not None:
            host.offset.add(agent_time=agent_time, hub_time=hub_time, round_trip_seconds=round_trip_seconds)

    def _is_heard(self, host: LiveHost) -> bool:
        interval = host.snapshot.poll_interval_seconds if host.snapshot else None
        return host.heard_at is not None and self._monotonic() - host.heard_at <= longest_silence(interval)

    # ── From the registry's watch ─────────────────────────────────────────────────────────────────────────────────────

    def set_rows(self, rows: Iterable[Row]) -> None:
        """Apply what the registry says: names, tags, and which hosts may not be connected any more."""
        ended: list[tuple[AgentSocket, Refused]] = []
        with self._lock:
            known = {row.host_id: row for row in rows}
            for host_id, row in known.items():
                host = self._hosts.get(host_id)
                if host is None:
                    host = self._hosts[host_id] = LiveHost(host_id, row.name, row.tags)
                host.row, host.name, host.tags = row, row.name, row.tags
                if host.socket is not None and (reason := why_not(row.state)) is not None:
                    ended.append((host.socket, reason))
            # A host without a row has joined after the query, or was deleted.
            for host in [each for each in self._hosts.values() if each.row is not None and each.host_id not in known]:
                del self._hosts[host.host_id]
                if host.socket is not None:
                    ended.append((host.socket, refused("unknown_key")))
        for socket, reason in ended:
            socket.end(reason)

    @property
    def connected(self) -> frozenset[str]:
        """Host ids of the connected agents."""
        with self._lock:
            return frozenset(host_id for host_id, host in self._hosts.items() if host.socket is not None)

    def seen(self, now: datetime) -> list[Seen]:
        """What agents have shown since the last call, to be written down."""
        with self._lock:
            until, since = self._monotonic(), self._seen_until
            self._seen_until = until
            return [
                Seen(
                    host_id=host.host_id,
                    at=now - timedelta(seconds=until - host.heard_at),
                    agent_version=plain(host.hello.version),
                    driver_version=(host.snapshot.driver_version if host.snapshot else None) or "",
                    clock_offset_seconds=host.offset.seconds,
                    problem=self._problem(host) or "",
                )
                for host in self._hosts.values()
                if host.hello is not None and host.heard_at is not None and host.heard_at >= since
            ]

    # ── For pages and API ─────────────────────────────────────────────────────────────────────────────────────────────

    def summaries(self) -> list[HostSummary]:
        """Every host, by name."""
        with self._lock:
            return sorted((self._summary(host) for host in self._hosts.values()), key=lambda each: each.name)

    def summary_of(self, host_id: str) -> HostSummary | None:
        """One host; None if this process does not know it yet."""
        with self._lock:
            host = self._hosts.get(host_id)
            return None if host is None else self._summary(host)

    def hub_of(self, wanted: str) -> Hub | None:
        """The hub of the host with this name or id, for a client that joins it now; None if there is no such host. In the event
        loop. A hub lasts from its first client to its last.
        """
        with self._lock:
            host = self._found(wanted)
        if host is None:
            return None
        if host.hub is None:
            host.hub = self._make_hub(lambda is_watched: None if is_watched else host.forget_hub())
            if host.snapshot is not None:
                host.hub.take(host.snapshot)
                host.hub.taken_at = host.arrived_at
        return host.hub

    def set_max_rate(self, max_rate_hz: float) -> None:
        """Make at most this many frames per second and host from now on. From any thread."""
        with self._lock:
            for host in self._hosts.values():
                if (hub := host.hub) is not None:
                    hub.set_max_rate(max_rate_hz)

    def _found(self, wanted: str) -> LiveHost | None:
        return self._hosts.get(wanted) or next((each for each in self._hosts.values() if each.name == wanted), None)

    def latest_of(self, wanted: str) -> Snapshot | None:
        """The newest snapshot of the host with this name or id, stale if nothing has followed for too long; None before the first.
        Raises KeyError if there is no such host.
        """
        with self._lock:
            host = self._found(wanted)
            if host is None:
                raise KeyError(wanted)
            snapshot, arrived_at = host.snapshot, host.arrived_at
        if snapshot is None or arrived_at is None:
            return None
        age = self._monotonic() - arrived_at
        reason = _stale_reason(host, age)
        if reason is None or snapshot.stale or snapshot.sampled_at is None:
            return snapshot
        reading_age = None if snapshot.age_seconds is None else snapshot.age_seconds + age
        return msgspec.structs.replace(snapshot, stale=True, age_seconds=reading_age, stale_reason=reason)

    def _problem(self, host: LiveHost) -> str | None:
        """What is wrong with the connection, as a sentence."""
        if self._monotonic() - host.copied_at < COPY_SECONDS:
            return host.copied
        seconds = host.offset.seconds
        if seconds is None or abs(seconds) < MOST_OFFSET_SECONDS:
            return None
        return f"Its clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the hub's."

    def _summary(self, host: LiveHost) -> HostSummary:
        snapshot, row = host.snapshot, host.row
        age = None if host.arrived_at is None else self._monotonic() - host.arrived_at
        reason = _stale_reason(host, age)
        return HostSummary(
            host_id=host.host_id,
            name=host.name,
            is_hub=False,
            state="active" if row is None else row.state,
            tags=host.tags,
            is_connected=host.socket is not None,
            sampled_at=snapshot.sampled_at if snapshot else None,
            age_seconds=age,
            stale=reason is not None,
            stale_reason=reason,
            gpu_count=len(snapshot.gpus) if snapshot and snapshot.sampled_at is not None else None,
            driver_version=snapshot.driver_version if snapshot else (row.driver_version or None if row else None),
            agent_version=plain(host.hello.version) if host.hello else (row.agent_version or None if row else None),
            clock_offset_seconds=host.offset.seconds,
            late_count=host.late_count,
            last_seen_at=row.last_seen_at.timestamp() if row and row.last_seen_at else None,
            problem=self._problem(host) if host.socket is not None else (row.problem or None if row else None),
        )


def _stale_reason(host: LiveHost, age_seconds: float | None) -> str | None:
    snapshot = host.snapshot
    if snapshot is None or age_seconds is None:
        return "No reading has arrived since the hub started."
    if age_seconds > longest_silence(snapshot.poll_interval_seconds):
        return f"Nothing has arrived from this host for {age_seconds:.0f} s."
    if snapshot.stale or snapshot.sampled_at is None:
        return snapshot.stale_reason or "There is no reading yet."
    return None


def _machine(hello: Hello) -> tuple[str | None, str | None]:
    return hello.machine, hello.boot


def _copied(first: Hello, second: Hello) -> str:
    return f"Two machines have this host id: {plain(first.host)} and {plain(second.host)}. One is a copy of the other."


_HOW_TO_PART = (
    "On the copy, delete the files host_id and agent_key in the data folder, and start the agent with a new code (Settings, "
    "Hosts, Add)."
)
