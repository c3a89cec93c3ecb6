"""The hosts of the fleet as this process knows them: the newest snapshot of each, and whether its agent is connected."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from monitor.fleet.bus.base import Agent, Bus, HostNews
from monitor.fleet.host_contacts import contact_of
from monitor.fleet.host_summary import HostSummary
from monitor.fleet.live_host import AgentSocket, LiveHost
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, Row, Seen, refused, why_not
from monitor.live.hub import Hub
from monitor.rules.host_contact import HostContact
from monitor.sanitize import plain
from monitor.shards import EVERY_HOST, Shard
from monitor.telemetry.schema import Alert, Snapshot

REGAIN_SECONDS = 30.0
"""How long after an outage of the bus no host counts as down: the other processes have to write their news first."""
FOLLOWED_SECONDS = 10.0


class Fleet:
    """Every host but the hub's own. Used in the event loop; the bus and the registry's watch use it in their threads."""

    def __init__(
        self,
        own_host_id: str | None,
        *,
        make_hub: Callable[[Callable[[bool], None]], Hub],
        bus: Bus,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make_hub`: a hub for one host; it says whether somebody watches it. `bus`: carries every snapshot."""
        self.own_host_id = own_host_id
        self._make_hub, self._bus = make_hub, bus
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._hosts: dict[str, LiveHost] = {}
        self._seen_until = self._started_at = monotonic()
        self._has_rows = False
        self.on_connected: Callable[[], None] = lambda: None
        """Called in the event loop when an agent has connected. The registry's watch sets it."""
        self._regained_at = -math.inf
        bus.deliver_to(self)

    # ── From the agents' sockets ──────────────────────────────────────────────────────────────────────────────────────

    def connect(self, admitted: Admitted, socket: AgentSocket) -> Refused | None:
        """Make this the host's connection, or say why not.

        An agent that connects again replaces its old connection, which may not be known to be broken. A second machine with the
        same id is refused while the first one sends.
        """
        agent = _agent_of(socket.hello)
        with self._lock:
            host = self._hosts.get(admitted.host_id)
            if host is None:
                host = self._hosts[admitted.host_id] = LiveHost(admitted.host_id, admitted.name, admitted.tags)
            now = self._monotonic()
            if host.agent is not None and _machine(host.agent) != _machine(agent) and host.is_heard(now):
                host.copied, host.copied_at = _copied(host.agent, agent), now
                return Refused(code="copied", text=f"{host.copied} {_HOW_TO_PART}")
            before = host.socket
            host.name, host.tags = admitted.name, admitted.tags
            host.socket, host.agent, host.hello, host.news = socket, agent, socket.hello, None
            host.heard_at = now
        if before is not None:
            before.end(_CONNECTED_AGAIN)
        self.on_connected()
        return None

    def disconnect(self, host_id: str, socket: AgentSocket) -> None:
        """The socket is closed."""
        with self._lock:
            host = self._hosts.get(host_id)
            if host is not None and host.socket is socket:
                host.socket = host.agent = None

    def take(self, host_id: str, snapshot: Snapshot, *, is_late: bool) -> None:
        """A snapshot has arrived. A late one is not shown: newer ones have been. Raises ProtocolError: see SeenGpus."""
        host = self._hosts.get(host_id)
        if host is None or host.socket is None:  # deleted a moment ago, or connected elsewhere
            return
        now = self._monotonic()
        host.seen_gpus.add(snapshot, now)
        host.heard_at = now
        if is_late:
            host.late_count += 1
        else:
            snapshot = host.reading_age.judged(snapshot, now)
        number = host.number + (not is_late)
        self._bus.put(snapshot, is_late=is_late, number=number)

    def took_pong(self, host_id: str, *, agent_time: float, hub_time: float, round_trip_seconds: float) -> None:
        """The agent has told its clock."""
        host = self._hosts.get(host_id)
        if host is not None:
            host.offset.add(agent_time=agent_time, hub_time=hub_time, round_trip_seconds=round_trip_seconds)

    # ── From the bus ──────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, snapshot: Snapshot, *, number: int) -> None:
        """The newest snapshot of a host; see bus/base.py about these methods."""
        with self._lock:
            host = self._hosts.get(snapshot.host_id or "")
            if host is None:
                return
            host.snapshot, host.number = snapshot, number
            if host.news is None:
                host.arrived_at = self._monotonic()
            if host.hub is not None:
                host.hub.take(snapshot)
                host.hub.taken_at = host.arrived_at

    def hear(self, host_id: str, news: HostNews | None, agent: Agent | None, *, age_seconds: float | None) -> None:
        """News of a host that is connected elsewhere, or nowhere."""
        with self._lock:
            host = self._hosts.get(host_id)
            if host is None or host.socket is not None:
                return
            host.news, host.agent = news, agent
            host.arrived_at = None if age_seconds is None else self._monotonic() - age_seconds
            host.heard_at = host.arrived_at

    def moved(self, host_id: str, agent: Agent) -> None:
        """The agent has connected to another process."""
        with self._lock:
            host = self._hosts.get(host_id)
            if host is None or host.socket is None:
                return
            socket, host.socket, host.agent = host.socket, None, agent
        socket.end(_CONNECTED_AGAIN)

    def lose(self) -> None:
        """Nothing is heard from other processes: what their hosts show is stale."""
        with self._lock:
            for host in self._hosts.values():
                if host.news is None:
                    continue
                if host.hub is not None and (shown := self._shown(host)) is not None:
                    host.hub.take(shown)
                    host.hub.taken_at = host.arrived_at
                host.number = 0  # so that it is shown again when Redis is back

    def regain(self) -> None:
        """News arrive again."""
        with self._lock:
            self._regained_at = self._monotonic()

    def expect(self, host_id: str, name: str) -> None:
        """A reading of this host has come by a stream, maybe before the registry was read again."""
        if host_id not in self._hosts:
            with self._lock:
                self._hosts.setdefault(host_id, LiveHost(host_id, name, ()))

    def host_ids(self) -> list[str]:
        """Every host."""
        with self._lock:
            return list(self._hosts)

    def agents(self) -> dict[str, Agent]:
        """The agents connected to this process, by host id."""
        with self._lock:
            here = ((host.host_id, host.agent) for host in self._hosts.values() if host.socket is not None)
            return {host_id: agent for host_id, agent in here if agent is not None}

    def news_of(self, host_id: str) -> HostNews | None:
        """For other processes."""
        with self._lock:
            host = self._hosts.get(host_id)
            if host is None or host.hello is None or host.news is not None:
                return None
            return host.news_here(self._monotonic())

    def behind(self) -> list[str]:
        """Hosts that are watched here and have newer snapshots elsewhere."""
        with self._lock:
            now, elsewhere = self._monotonic(), [host for host in self._hosts.values() if host.news is not None]
            for host in elsewhere:
                host.forget_unwatched(now)
            return [
                host.host_id
                for host in elsewhere
                if host.news and host.is_watched(now) and host.number != host.news.number
            ]

    # ── From the registry's watch ─────────────────────────────────────────────────────────────────────────────────────

    def set_rows(self, rows: Iterable[Row]) -> None:
        """Apply what the registry says: names, tags, and which hosts may not be connected any more."""
        ended: list[tuple[AgentSocket, Refused]] = []
        with self._lock:
            known = {row.host_id: row for row in rows}
            self._has_rows = True
            for host_id, row in known.items():
                host = self._hosts.get(host_id)
                if host is None:
                    host = self._hosts[host_id] = LiveHost(host_id, row.name, row.tags)
                host.row, host.name, host.tags = row, row.name, row.tags
                if host.socket is not None and (reason := why_not(row.state)) is not None:
                    ended.append((host.socket, reason))
            for host in [each for each in self._hosts.values() if each.host_id not in known]:
                # A host without a row has joined after the query, or was deleted.
                if host.row is None and (host.socket is not None or not host.is_missing):
                    host.is_missing = True
                    continue
                del self._hosts[host.host_id]
                if host.socket is not None:
                    ended.append((host.socket, refused("unknown_key")))
        for socket, reason in ended:
            socket.end(reason)

    @property
    def connected(self) -> frozenset[str]:
        """Host ids of the connected agents."""
        with self._lock:
            return frozenset(host_id for host_id, host in self._hosts.items() if host.agent is not None)

    def seen(self, now: datetime) -> list[Seen]:
        """What agents have shown to this process since the last call, to be written down."""
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
                    problem=(host.problem(until) if host.agent is not None else None) or "",
                )
                for host in self._hosts.values()
                if host.news is None and host.hello is not None and host.heard_at is not None and host.heard_at >= since
            ]

    # ── For alerts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def contacts(self, wall_time: float, shard: Shard = EVERY_HOST) -> list[HostContact] | None:
        """Which of these hosts send readings; None before the registry was read. `wall_time`: in Unix seconds. From any thread."""
        with self._lock:
            if not self._has_rows:
                return None
            at, started_at, trouble = self._monotonic(), self._started_at, self._bus.outage
            if at - self._regained_at < REGAIN_SECONDS:
                trouble = trouble or "other processes are heard again, but not for long enough"
            return [
                contact_of(host, at=at, started_at=started_at, wall_time=wall_time, trouble=trouble)
                for host in self._hosts.values()
                if shard.has(host.host_id)
            ]

    def set_alerts(self, alerts: Iterable[Alert]) -> None:
        """The open alerts of all hosts, worst first; each host shows its own. From any thread."""
        by_host: dict[str | None, list[Alert]] = {}
        for alert in alerts:
            by_host.setdefault(alert.host_id, []).append(alert)
        with self._lock:
            for host in self._hosts.values():
                of_host = tuple(by_host.get(host.host_id, ()))
                if of_host != host.alerts:
                    host.alerts = of_host
                    if host.hub is not None:
                        host.hub.set_alerts(of_host)

    # ── For pages and API ─────────────────────────────────────────────────────────────────────────────────────────────

    def summaries(self) -> list[HostSummary]:
        """Every host, by name."""
        with self._lock:
            now, trouble = self._monotonic(), self._bus.outage
            return sorted((each.summary(now, trouble) for each in self._hosts.values()), key=lambda each: each.name)

    @property
    def has_hosts(self) -> bool:
        """Whether a host has ever joined this hub, in whatever state it is."""
        return bool(self._hosts)

    def named(self, wanted: str) -> HostSummary | None:
        """The host with this name or id; None if this process does not know it."""
        with self._lock:
            host = self._found(wanted)
            return None if host is None else host.summary(self._monotonic(), self._bus.outage)

    def hub_of(self, wanted: str) -> Hub | None:
        """The hub of the host with this name or id, for a client that joins it now; None if there is no such host. In the event
        loop. A hub lasts from its first client to its last.
        """
        with self._lock:
            host = self._found(wanted)
            if host is None:
                return None
            if host.hub is None:
                host.hub = self._make_hub(lambda is_watched: None if is_watched else self._forget_hub(host))
                host.hub.set_alerts(host.alerts)
                if host.snapshot is not None:
                    host.hub.take(host.snapshot)
                    host.hub.taken_at = host.arrived_at
            return host.hub

    def _forget_hub(self, host: LiveHost) -> None:
        with self._lock:
            host.hub = None
            host.forget_unwatched(self._monotonic())

    def set_max_rate(self, max_rate_hz: float) -> None:
        """Make at most this many frames per second and host from now on. From any thread."""
        with self._lock:
            for host in self._hosts.values():
                if (hub := host.hub) is not None:
                    hub.set_max_rate(max_rate_hz)

    def _found(self, wanted: str) -> LiveHost | None:
        return self._hosts.get(wanted) or next((each for each in self._hosts.values() if each.name == wanted), None)

    def follow(self, host_id: str) -> Snapshot | None:
        """The newest snapshot of a host that this process has, stale if it is, for a page that asks again soon: from now on, those
        of a host that is connected elsewhere are read too.
        """
        with self._lock:
            host = self._hosts.get(host_id)
            if host is None:
                return None
            host.followed_until = self._monotonic() + FOLLOWED_SECONDS
            return self._shown(host)

    async def latest_of(self, wanted: str) -> Snapshot | None:
        """The newest snapshot of the host with this name or id, stale if nothing has followed for too long; None before the first.
        Raises KeyError if there is no such host.
        """
        with self._lock:
            host = self._found(wanted)
            if host is None:
                raise KeyError(wanted)
            is_here = host.news is None or (host.snapshot is not None and host.number == host.news.number)
        newest = None if is_here else await self._bus.newest(host.host_id)
        with self._lock:
            if newest is not None and host.news is not None:
                return self._shown(host, newest.snapshot)
            return self._shown(host)

    def _shown(self, host: LiveHost, snapshot: Snapshot | None = None) -> Snapshot | None:
        return host.shown(self._monotonic(), self._bus.outage, snapshot)


def _agent_of(hello: Hello) -> Agent:
    return Agent(connection=uuid.uuid4().hex, host=plain(hello.host), machine=hello.machine, boot=hello.boot)


def _machine(agent: Agent) -> tuple[str | None, str | None]:
    return agent.machine, agent.boot


def _copied(first: Agent, second: Agent) -> str:
    return f"Two machines have this host id: {first.host} and {second.host}. One is a copy of the other."


_CONNECTED_AGAIN = Refused(code="copied", text="The agent has connected again.")
_HOW_TO_PART = (
    "On the copy, delete the files host_id and agent_key in the data folder, and start the agent with a new code (Settings, "
    "Hosts, Add)."
)
