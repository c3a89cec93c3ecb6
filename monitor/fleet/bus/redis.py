"""The bus of a hub of several processes, over Redis (keys.py).

A process writes what has arrived at it, and reads the news of all hosts and the snapshots of those that its viewers watch, in
ticks. One thread with a connection of its own does both: the event loop never waits for Redis.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from redis import Redis, RedisError

from monitor.config.redis_url import place
from monitor.fleet.bus import streams
from monitor.fleet.bus.base import Agent, EngineNews, HostNews, Newest, Receiver
from monitor.fleet.bus.engine_view import EngineView
from monitor.fleet.bus.keys import (
    AGENT_SECONDS,
    KEPT_SECONDS,
    agent_key,
    client_of,
    engine_key,
    newest_key,
    news_key,
    reason_of,
)
from monitor.fleet.bus.outgoing import Chunk, Outgoing, unpacked
from monitor.logs.lasting_problem import LastingProblem
from monitor.shards import SHARDS
from monitor.telemetry.schema import Alert, Snapshot
from monitor.unreadable import UNREADABLE

log = logging.getLogger(__name__)

T = TypeVar("T")
ShowAlerts = Callable[[tuple[Alert, ...]], None]

TICK_SECONDS = 0.25
REFRESH_SECONDS = 4.0
"""Between extensions of the agents' keys."""
_AT_ONCE = 50
"""Hosts written in one go, so that an answer never takes long."""
_KEPT_MS, _AGENT_MS = int(KEPT_SECONDS * 1000), int(AGENT_SECONDS * 1000)
_encode = msgspec.msgpack.encode
_news = msgspec.msgpack.Decoder(HostNews)
_agent = msgspec.msgpack.Decoder(Agent)


class RedisBus:
    """A stage as well: its thread runs from `start` to `stop`, and its problem is shown with theirs."""

    name = "redis"

    def __init__(
        self,
        url: str,
        *,
        show_alerts: ShowAlerts | None = None,
        news: Callable[[], Mapping[int, EngineNews]] = dict,
        tick_seconds: float = TICK_SECONDS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`show_alerts`: receives the open alerts of all hosts when they change; None: this process is an engine. `news`: what the
        engine tells of its shards, by number.
        """
        self._url = url
        self._show_alerts = show_alerts
        self._tick_seconds = tick_seconds
        self._clock, self._monotonic = clock, monotonic
        self._receiver: Receiver | None = None
        self._outage: str | None = None
        self._news = news
        self._written: dict[int, tuple[float, EngineNews]] = {}
        """Of an engine: what it wrote last of each shard, and when."""
        self._engines = EngineView()
        """Of a server."""
        self._outgoing = Outgoing()
        self._process = streams.new_process()
        self._held: dict[str, str] = {}
        """The connections of agents to this process that Redis has, by host id."""
        self._heard: dict[str, tuple[bytes | None, bytes | None]] = {}
        """What Redis had of the other hosts: news and agent."""
        self._unreadable = LastingProblem(log, monotonic=monotonic)
        self._refreshed_at = -REFRESH_SECONDS
        self._began_at = monotonic()
        self._lookups = ThreadPoolExecutor(2, thread_name_prefix="redis lookups")
        self._lookup_client = client_of(url)
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis", daemon=True)

    # ── As a bus ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def deliver_to(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def put(self, snapshot: Snapshot, *, is_late: bool, number: int) -> None:
        assert self._receiver is not None
        if not is_late:
            self._receiver.show(snapshot, number=number)
        self._outgoing.put(snapshot, number=number, is_late=is_late)

    async def newest(self, host_id: str) -> Newest | None:
        if self._outage is not None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._lookups, self._look_up, host_id)

    def _look_up(self, host_id: str) -> Newest | None:
        try:
            found = self._lookup_client.get(newest_key(host_id))
            return unpacked(found) if isinstance(found, bytes) else None
        except (RedisError, ValueError):  # the thread reports what is wrong with Redis
            return None

    # ── As a stage ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """The readings of this host are not carried."""

    def stop(self, seconds: float = 3.0) -> None:
        """Say that the agents of this process are not connected any more."""
        self._is_stopping.set()
        self._thread.join(seconds)
        self._lookups.shutdown(wait=False)

    @property
    def outage(self) -> str | None:
        return self._outage

    @property
    def problem(self) -> str | None:
        if self._outage is not None or self._show_alerts is None:
            return self._outage
        return self._engines.problem(self._monotonic(), since=self._began_at)

    # ── In the thread ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        client = client_of(self._url)
        while True:
            began = self._monotonic()
            is_last = self._is_stopping.is_set()
            try:
                self._tick(client, is_last=is_last)
            except (RedisError, OSError) as error:
                self._failed(error)
            except Exception as error:  # whatever it is: the other processes must be heard again as soon as possible
                if self._outage is None:
                    log.exception("what other processes need could not be written or read")
                self._failed(error)
            else:
                self._succeeded()
            if is_last:
                break
            self._is_stopping.wait(max(0.01, self._tick_seconds - (self._monotonic() - began)))
        client.close()

    def _tick(self, client: Redis, *, is_last: bool) -> None:
        assert self._receiver is not None
        self._outgoing.encode()
        here = {} if is_last else self._receiver.agents()
        self._write(client, here)
        if not is_last:
            self._read(client, here)
            self._carry_engine_news(client)

    def _carry_engine_news(self, client: Redis) -> None:
        """From the engines to the servers."""
        now = self._monotonic()
        if self._show_alerts is not None:
            found: Any = client.mget([engine_key(shard.number) for shard in SHARDS])
            alerts = self._engines.hear(found, now, unreadable=self._other_version)
            if alerts is not None:
                self._show_alerts(alerts)
            return
        current = self._news()
        for shard, news in current.items():
            at, before = self._written.get(shard, (-math.inf, None))
            if news != before or now - at >= REFRESH_SECONDS:
                client.set(engine_key(shard), _encode(news), px=_AGENT_MS)
                self._written[shard] = now, news
        self._written = {shard: written for shard, written in self._written.items() if shard in current}

    def _failed(self, error: Exception) -> None:
        if self._outage is None:
            log.error("Redis at %s cannot be reached: %s", place(self._url), reason_of(error))
            since = datetime.fromtimestamp(self._clock(), UTC)
            self._outage = f"Redis cannot be reached since {since:%H:%M} UTC ({reason_of(error)})"
            self._heard.clear()
            self._held.clear()
            assert self._receiver is not None
            self._receiver.lose()

    def _succeeded(self) -> None:
        if self._outage is not None:
            log.info("recovered: Redis at %s answers", place(self._url))
            self._outage = None
            self._began_at = self._monotonic()
            assert self._receiver is not None
            self._receiver.regain()

    # ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, client: Redis, here: Mapping[str, Agent]) -> None:
        """What has arrived, and whose agents have come and gone."""
        come = {host_id: agent for host_id, agent in here.items() if self._held.get(host_id) != agent.connection}
        for host_id in (*come, *(host_id for host_id in self._held if host_id not in here)):
            self._outgoing.add_news(host_id)
        while (chunk := self._outgoing.chunk(_AT_ONCE)) is not None:
            self._write_chunk(client, chunk, come, here)
            self._outgoing.sent(chunk)
            for host_id in chunk.hosts:
                if host_id in here:
                    self._held[host_id] = here[host_id].connection
                else:
                    self._held.pop(host_id, None)
        if self._monotonic() - self._refreshed_at >= REFRESH_SECONDS:
            # Whose connection the key names does not change by this: another process may have written it meanwhile.
            with client.pipeline(transaction=False) as pipe:
                for host_id in self._held:
                    pipe.pexpire(agent_key(host_id), _AGENT_MS)
                pipe.execute()
            streams.trim(client)
            self._refreshed_at = self._monotonic()

    def _write_chunk(self, client: Redis, chunk: Chunk, come: Mapping[str, Agent], here: Mapping[str, Agent]) -> None:
        assert self._receiver is not None
        with client.pipeline(transaction=False) as pipe:
            streams.add(pipe, chunk.readings, self._process)
            for host_id, newest in chunk.hosts.items():
                if newest is not None:
                    pipe.set(newest_key(host_id), newest, px=_KEPT_MS)
                if (news := self._receiver.news_of(host_id)) is not None:
                    pipe.set(news_key(host_id), _encode(news), px=_KEPT_MS)
                if host_id in come:
                    pipe.set(agent_key(host_id), _encode(come[host_id]), px=_AGENT_MS)
                elif host_id not in here:
                    # If another process has written it meanwhile, that one notices at its next tick, and writes it again.
                    pipe.delete(agent_key(host_id))
            pipe.execute()

    # ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, client: Redis, here: Mapping[str, Agent]) -> None:
        """Everything that has changed."""
        assert self._receiver is not None
        host_ids = [*self._receiver.host_ids()]
        if not host_ids:
            return
        with client.pipeline(transaction=False) as pipe:
            pipe.mget([agent_key(host_id) for host_id in host_ids])
            pipe.mget([news_key(host_id) for host_id in host_ids if host_id not in here] or [news_key("")])
            agents, found = pipe.execute()
        news = dict(zip([host_id for host_id in host_ids if host_id not in here], found, strict=False))
        changed: list[tuple[str, bytes | None, bytes | None]] = []
        for host_id, agent in zip(host_ids, agents, strict=True):
            if host_id in here:
                self._heard.pop(host_id, None)
                self._check_own(host_id, here[host_id], agent)
            elif self._heard.get(host_id) != (news[host_id], agent):
                changed.append((host_id, news[host_id], agent))
        if changed:
            self._hear(client, changed)
        self._show_watched(client)

    def _check_own(self, host_id: str, mine: Agent, found: bytes | None) -> None:
        """A newer connection to another process replaces that of this one."""
        assert self._receiver is not None
        if found is None:  # it has expired while this process could not extend it
            self._held.pop(host_id, None)
        elif (other := self._decoded(_agent, found)) is not None and other.connection != mine.connection:
            self._held.pop(host_id, None)
            self._receiver.moved(host_id, other)

    def _hear(self, client: Redis, changed: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        assert self._receiver is not None
        # News of a host that was not heard before may have been in Redis for long; others have arrived since the last tick.
        first = [host_id for host_id, news, _ in changed if news is not None and host_id not in self._heard]
        with client.pipeline(transaction=False) as pipe:
            for host_id in first:
                pipe.pttl(news_key(host_id))
            rests = pipe.execute() if first else []
        waited = {host_id: (_KEPT_MS - rest) / 1000 for host_id, rest in zip(first, rests, strict=True) if rest > 0}
        for host_id, news_bytes, agent_bytes in changed:
            self._heard[host_id] = news_bytes, agent_bytes
            news, agent = self._decoded(_news, news_bytes), self._decoded(_agent, agent_bytes)
            age = None if news is None else news.summary.age_seconds
            age = None if age is None else age + waited.get(host_id, 0.0)
            self._receiver.hear(host_id, news, agent, age_seconds=age)

    def _show_watched(self, client: Redis) -> None:
        """The snapshots of the hosts that viewers of this process watch, where there is a newer one."""
        assert self._receiver is not None
        behind = [*self._receiver.behind()]
        if not behind:
            return
        for found in client.mget([newest_key(host_id) for host_id in behind]):
            if not isinstance(found, bytes):
                continue
            try:
                newest = unpacked(found)
            except ValueError as error:
                self._other_version(error)
            else:
                self._receiver.show(newest.snapshot, number=newest.number)

    def _decoded(self, decoder: msgspec.msgpack.Decoder[T], data: bytes | None) -> T | None:
        try:
            return None if data is None else decoder.decode(data)
        except UNREADABLE as error:
            self._other_version(error)
            return None

    def _other_version(self, error: Exception) -> None:
        self._unreadable.noticed(
            f"another process of the hub is of a version that this one cannot read ({error}): update the older"
        )
