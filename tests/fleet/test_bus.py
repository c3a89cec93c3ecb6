"""Both buses: what one process has received, every process shows. And Redis alone: connections that move, and an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from monitor.fleet.bus.base import EngineNews
from monitor.fleet.bus.in_process import InProcessBus
from monitor.fleet.bus.keys import agent_key, client_of, news_key
from monitor.fleet.bus.redis import RedisBus
from monitor.fleet.host_summary import HostSummary
from monitor.fleet.hosts import Fleet
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, Row
from monitor.live.hub import Hub
from monitor.telemetry.schema import Alert, Snapshot
from tests.fleet.redis_server import RedisServer, running_redis
from tests.support.servers import wait_for
from tests.support.snapshots import alert, gpu, host

pytestmark = pytest.mark.slow

ID = "ab" * 16
ADMITTED = Admitted(ID, "node1", ("lab",), None)
ROW = Row(
    host_id=ID, name="node1", tags=("lab",), state="active", last_seen_at=None, agent_version="", driver_version="",
    clock_offset_seconds=None, problem="",
)  # fmt: skip


class Socket:
    """A connection that only remembers why it was ended."""

    def __init__(self, boot: str = "1") -> None:
        self.hello = Hello(
            protocol=1, version="0.1.0", host_id=ID, host=f"boot{boot}", machine="m", boot=boot, sent_at=1.0
        )
        self.refusals: list[Refused] = []

    def end(self, refusal: Refused) -> None:
        self.refusals.append(refusal)


class Processes(NamedTuple):
    """Two processes of one hub, or the same one twice."""

    first: Fleet
    second: Fleet


def fleet_on(bus: Any) -> Fleet:
    made = Fleet(None, make_hub=lambda on_watched: Hub(max_rate_hz=20, on_watched=on_watched), bus=bus)
    made.set_rows([ROW])
    return made


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def over_redis(redis: RedisServer) -> Iterator[Processes]:
    redis.stop()
    redis.start()
    with ExitStack() as stack:
        fleets = []
        for _ in range(2):
            bus = RedisBus(redis.url, tick_seconds=0.02)
            fleets.append(fleet_on(bus))
            bus.start()
            stack.callback(bus.stop)
        yield Processes(*fleets)


@pytest.fixture(params=["in process", "redis"])
def hub(request: pytest.FixtureRequest) -> Processes:
    if request.param == "redis":
        processes: Processes = request.getfixturevalue("over_redis")
        return processes
    fleet = fleet_on(InProcessBus())
    return Processes(fleet, fleet)


def reading(seq: int = 1, **changes: Any) -> Snapshot:
    return host(gpu(0), seq=seq, host="node1", host_id=ID, poll_interval_seconds=1.0, **changes)


def seen_in(fleet: Fleet, check: Callable[[HostSummary], bool], what: str) -> HostSummary:
    """What the process says about the host, once this is so."""

    def found() -> HostSummary | None:
        summary = fleet.named(ID)
        return summary if summary is not None and check(summary) else None

    return wait_for(found, what)


def test_host_is_listed_alike_by_every_process(hub: Processes) -> None:
    socket = Socket()
    hub.first.connect(ADMITTED, socket)
    hub.first.take(ID, reading(), is_late=False)
    there = seen_in(hub.second, lambda each: not each.stale, "the reading")
    here = hub.first.named(ID)
    assert here is not None
    assert (there.is_connected, there.gpu_count, there.name, there.tags) == (True, 1, "node1", ("lab",))
    assert (there.sampled_at, there.agent_version) == (here.sampled_at, here.agent_version)
    assert hub.second.connected == {ID}
    hub.first.disconnect(ID, socket)
    gone = seen_in(hub.second, lambda each: not each.is_connected, "the end of the connection")
    assert gone.gpu_count == 1


def test_newest_snapshot_can_be_asked_for_in_every_process(hub: Processes) -> None:
    assert asyncio.run(hub.second.latest_of("node1")) is None
    hub.first.connect(ADMITTED, Socket())
    for seq in (1, 2):
        hub.first.take(ID, reading(seq), is_late=False)
    hub.first.take(ID, reading(0), is_late=True)
    seen_in(hub.second, lambda each: not each.stale and each.late_count == 1, "the readings")
    newest = asyncio.run(hub.second.latest_of("node1"))
    assert newest is not None
    assert (newest.seq, newest.stale) == (2, False)


def test_clients_of_every_process_see_a_host_live_and_in_order(hub: Processes) -> None:
    hub.first.connect(ADMITTED, Socket())
    hub.first.take(ID, reading(1), is_late=False)
    seen_in(hub.second, lambda each: not each.stale, "the first reading")

    async def watch() -> list[int]:
        live = hub.second.hub_of("node1")
        assert live is not None
        live.join("gpu")
        seen, number = [1], 0
        for seq in (2, 3, 4):
            hub.first.take(ID, reading(seq), is_late=False)
            async with asyncio.timeout(20):
                while seen[-1] < seq:
                    frame = await live.newer(number)
                    number = frame.number
                    seen.append(frame.snapshot.seq)
        live.leave("gpu")
        return seen

    seen = asyncio.run(watch())
    assert seen == sorted(seen)
    assert seen[-1] == 4


def test_readings_that_nobody_watches_are_not_sent_to_other_processes(over_redis: Processes) -> None:
    over_redis.first.connect(ADMITTED, Socket())
    over_redis.first.take(ID, reading(1), is_late=False)
    seen_in(over_redis.second, lambda each: not each.stale, "the reading")
    assert over_redis.second.behind() == []


def test_agent_that_comes_back_to_another_process_leaves_the_first(over_redis: Processes) -> None:
    before, after = Socket(), Socket()
    over_redis.first.connect(ADMITTED, before)
    over_redis.first.take(ID, reading(1), is_late=False)
    seen_in(over_redis.second, lambda each: not each.stale, "the reading")
    assert over_redis.second.connect(ADMITTED, after) is None
    over_redis.second.take(ID, reading(2, sampled_at=1001.0), is_late=False)
    wait_for(lambda: before.refusals, "the end of the first connection")
    assert [each.text for each in before.refusals] == ["The agent has connected again."]
    over_redis.first.disconnect(ID, before)
    seen_in(over_redis.first, lambda each: each.is_connected and each.sampled_at == 1001.0, "the second connection")
    assert after.refusals == []


def test_copied_host_id_is_noticed_by_another_process(over_redis: Processes) -> None:
    over_redis.first.connect(ADMITTED, Socket(boot="1"))
    over_redis.first.take(ID, reading(1), is_late=False)
    seen_in(over_redis.second, lambda each: not each.stale, "the reading")
    refusal = over_redis.second.connect(ADMITTED, Socket(boot="2"))
    assert refusal is not None
    assert refusal.text.startswith("Two machines have this host id: boot1 and boot2.")


@pytest.mark.parametrize("hangs", [False, True])
def test_without_redis_own_hosts_go_on_and_others_are_stale_with_the_reason(
    over_redis: Processes, redis: RedisServer, hangs: bool
) -> None:
    over_redis.first.connect(ADMITTED, Socket())
    over_redis.first.take(ID, reading(1), is_late=False)
    seen_in(over_redis.second, lambda each: not each.stale, "the reading")
    redis.freeze() if hangs else redis.stop()
    try:
        lost = seen_in(over_redis.second, lambda each: each.stale, "the outage")
        reason = "it does not answer" if hangs else "Connection "
        assert (lost.stale_reason or "").startswith("Redis cannot be reached since ")
        assert reason in (lost.stale_reason or "")
        assert str(redis.port) not in (lost.stale_reason or "")
        over_redis.first.take(ID, reading(2), is_late=False)
        own = over_redis.first.named(ID)
        assert own is not None
        assert not own.stale
        assert own.age_seconds is not None
        began = time.monotonic()
        asyncio.run(over_redis.second.latest_of("node1"))
        assert time.monotonic() - began < 20
    finally:
        redis.revive()
    back = seen_in(over_redis.second, lambda each: not each.stale and each.is_connected, "Redis to be back")
    assert back.gpu_count == 1

    def newest_seq() -> int | None:
        newest = asyncio.run(over_redis.second.latest_of("node1"))
        return newest.seq if newest is not None else None

    # One that hung still has what it had before: the first process writes what followed.
    wait_for(lambda: newest_seq() == 2, "the reading that was taken meanwhile")


def test_process_that_starts_knows_how_old_the_readings_are(over_redis: Processes, redis: RedisServer) -> None:
    """By Redis' clock: those of two machines need not agree."""
    over_redis.first.connect(ADMITTED, Socket())
    over_redis.first.take(ID, reading(1), is_late=False)
    seen_in(over_redis.second, lambda each: not each.stale, "the reading")
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > 0.5, "half a second")
    bus = RedisBus(redis.url, tick_seconds=0.02)
    third = fleet_on(bus)
    bus.start()
    try:
        age = seen_in(third, lambda each: each.age_seconds is not None, "the reading").age_seconds
        assert age is not None
        assert age >= 0.5
    finally:
        bus.stop()


def test_servers_show_the_alerts_of_the_engine_and_say_if_there_is_none(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.fleet.bus.engine_view.ENGINE_SECONDS", 0.5)
    shown: list[tuple[Alert, ...]] = []
    server = RedisBus(redis.url, show_alerts=shown.append, tick_seconds=0.02)
    news: dict[int, EngineNews] = {}
    engine = RedisBus(redis.url, news=lambda: {**news}, tick_seconds=0.02)
    with ExitStack() as stack:
        for bus in (server, engine):
            fleet_on(bus)
            bus.start()
            stack.callback(bus.stop)
        wait_for(lambda: "no gpumon engine is running" in (server.problem or ""), "the problem")
        assert engine.problem is None
        news[3] = EngineNews(alerts=(alert(1),), problems={})
        wait_for(lambda: shown, "the alert")
        wait_for(lambda: "no gpumon engine has part 1 of 4 of the hosts" in (server.problem or ""), "the other problem")
        news.update({number: EngineNews(alerts=(), problems={}) for number in range(3)})
        wait_for(lambda: server.problem is None, "the end of the problem")
        news[3] = EngineNews(alerts=(), problems={})
        wait_for(lambda: shown[-1] == (), "the end of the alert")
        worst = alert(2, fired_at=1.0)
        news[2] = EngineNews(alerts=(worst,), problems={"history": "the disk is full"})
        wait_for(lambda: server.problem == "engine, history: the disk is full", "the engine's problem")
        news[0] = EngineNews(alerts=(alert(1),), problems={"history": "the disk is full"})
        wait_for(lambda: len(shown) == 4, "alerts of two shards")
        wait_for(lambda: server.problem == "engine, history: the disk is full", "the problem, told once")
    assert shown == [(alert(1),), (), (worst,), (worst, alert(1))]


@pytest.mark.parametrize(
    "data", [b"\xc1", b"\x81\xa1\xff\xc0", b"\x81\xa1x" + b"\x91" * 100_000], ids=["invalid", "not UTF-8", "nested"]
)
def test_news_of_another_version_costs_its_host_alone(
    over_redis: Processes, redis: RedisServer, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    other = ID[::-1]
    for fleet in over_redis:
        fleet.set_rows([ROW, ROW._replace(host_id=other, name="node2")])
    with client_of(redis.url) as client:
        client.set(news_key(other), data)
        client.set(agent_key(other), b"\x80")
    over_redis.first.connect(ADMITTED, Socket())
    over_redis.first.take(ID, reading(1), is_late=False)
    seen_in(over_redis.second, lambda each: not each.stale, "the reading")
    found = over_redis.second.named(other)
    assert found is not None
    assert (found.is_connected, found.stale) == (False, True)
    assert "of a version that this one cannot read" in caplog.text
    assert "Traceback" not in caplog.text
