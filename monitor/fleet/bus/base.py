"""The interface of a bus, and what it needs of the fleet of its process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from monitor.fleet.host_summary import HostSummary
from monitor.telemetry.schema import Alert, Snapshot


class Publish(Protocol):
    """Receives the snapshots of all hosts, in the event loop. Must return at once."""

    def __call__(self, snapshot: Snapshot, *, is_late: bool) -> None: ...


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A connected agent, as every process knows it."""

    connection: str
    """Random: of two connections of one host, the one that began later counts."""
    host: str
    """The host's own name."""
    machine: str | None
    boot: str | None
    """As in Hello."""


class HostNews(msgspec.Struct, frozen=True, kw_only=True):
    """What the process with a host's agent tells the others about the host."""

    summary: HostSummary
    """Name, tags and state are the registry's, which every process reads itself."""
    number: int
    """Of the newest reading: another number, another reading."""
    poll_interval_seconds: float | None
    """Of the host."""


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest snapshot of a host."""

    number: int
    """As in HostNews."""
    snapshot: Snapshot


class EngineNews(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine of a shard tells the servers of its hub."""

    alerts: tuple[Alert, ...]
    """The open ones of the hosts of this shard."""
    problems: dict[str, str]
    """What is wrong with the engine's stages, by name."""


class Receiver(Protocol):
    """The fleet of this process, as a bus sees it. From any thread."""

    def show(self, snapshot: Snapshot, *, number: int) -> None:
        """The newest snapshot of a host that is connected to this process, or watched in it."""

    def hear(self, host_id: str, news: HostNews | None, agent: Agent | None, *, age_seconds: float | None) -> None:
        """News of a host that is not connected to this process; None: nothing is known any more. `agent`: connected elsewhere.
        `age_seconds`: since its newest reading arrived at the hub.
        """

    def moved(self, host_id: str, agent: Agent) -> None:
        """The host's agent has opened a newer connection, to another process."""

    def lose(self) -> None:
        """No news arrive from now on. The bus's outage says why."""

    def regain(self) -> None:
        """News arrive again."""

    def host_ids(self) -> Collection[str]:
        """Every host."""

    def agents(self) -> Mapping[str, Agent]:
        """The agents that are connected to this process, by host id."""

    def news_of(self, host_id: str) -> HostNews | None:
        """News for other processes of a host that was last connected to this one; None of any other."""

    def behind(self) -> Collection[str]:
        """Hosts that viewers of this process watch and that have a newer snapshot than they see, by `hear`."""


class Bus(Protocol):
    """One per process."""

    @property
    def outage(self) -> str | None:
        """Why hosts that are connected to other processes are not shown now; None while they are."""

    def deliver_to(self, receiver: Receiver) -> None:
        """The fleet. Called once, before anything is put."""

    def put(self, snapshot: Snapshot, *, is_late: bool, number: int) -> None:
        """Carry a reading of a host whose agent is connected to this process. In the event loop; returns at once.

        `number`: as in HostNews; of a late one, that of the newest.
        """

    async def newest(self, host_id: str) -> Newest | None:
        """The newest snapshot of a host that is not connected to this process; None if there is none, or if `outage` says why."""
