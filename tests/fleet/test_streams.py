"""The streams of readings in Redis: order, what an engine gets that takes over, and readings that were written twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from monitor.fleet.bus import streams
from monitor.fleet.bus.base import Newest
from monitor.fleet.bus.keys import client_of
from monitor.fleet.bus.outgoing import MOST_WAITING_BYTES, Outgoing, Reading, packed
from monitor.fleet.bus.streams import RECORDED_KEY, StreamReader
from monitor.shards import EVERY_HOST, SHARDS, Shard
from monitor.telemetry.schema import Snapshot
from tests.fleet.redis_server import RedisServer, running_redis
from tests.support.servers import wait_for
from tests.support.snapshots import gpu, host

pytestmark = pytest.mark.slow

HOSTS = ("0" * 32, "f" * 32)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(autouse=True)
def empty(redis: RedisServer) -> None:
    redis.stop()
    redis.start()


def reading(host_id: str, number: int, *, is_late: bool = False) -> Reading:
    snapshot = host(gpu(0), host_id=host_id, seq=number)
    return Reading(host_id, number, is_late, packed(Newest(number=number, snapshot=snapshot)))


def write(redis: RedisServer, *readings: Reading, process: str = "first") -> None:
    with client_of(redis.url) as client, client.pipeline(transaction=False) as pipe:
        streams.add(pipe, readings, process)
        pipe.execute()


class Engine:
    """Remembers what it was given."""

    def __init__(self, redis: RedisServer, shard: Shard = EVERY_HOST) -> None:
        self.given: list[tuple[str, int, bool]] = []
        self.positions: list[int | None] = []
        self.reader = StreamReader(redis.url, self.take, shard=shard)

    def take(self, snapshot: Snapshot, *, is_late: bool, position: int | None) -> None:
        assert snapshot.host_id is not None
        self.given.append((snapshot.host_id[0], snapshot.seq, is_late))
        self.positions.append(position)

    def of(self, digit: str) -> list[tuple[int, bool]]:
        return [(seq, is_late) for host_digit, seq, is_late in self.given if host_digit == digit]


def test_each_host_is_read_in_order_and_late_readings_stay_late(redis: RedisServer) -> None:
    engine = Engine(redis)
    write(redis, *(reading(host_id, number) for number in (1, 2) for host_id in HOSTS))
    with ExitStack() as stack:
        engine.reader.start()
        stack.callback(engine.reader.stop)
        wait_for(lambda: len(engine.given) == 4, "what was there")
        write(redis, reading(HOSTS[0], 3), reading(HOSTS[0], 4, is_late=True))
        wait_for(lambda: len(engine.given) == 6, "what followed")
    assert engine.of("0") == [
        (1, True),
        (2, True),
        (3, False),
        (4, True),
    ]  # another engine may have stored the first two
    assert engine.of("f") == [(1, True), (2, True)]
    assert [position is None for position in engine.positions] == [False] * 5 + [True]


def test_engine_that_takes_over_gets_again_what_may_not_be_stored_and_that_is_late(redis: RedisServer) -> None:
    killed, other = Engine(redis), Engine(redis)
    write(redis, reading(HOSTS[0], 1), reading(HOSTS[0], 2))
    killed.reader.start()
    wait_for(lambda: len(killed.given) == 2, "the readings")
    killed.reader.stop()
    write(redis, reading(HOSTS[0], 3))
    other.reader.start()
    wait_for(lambda: len(other.given) == 3, "all readings")
    other.reader.stop()
    assert other.of("0") == [(1, True), (2, True), (3, True)]
    assert other.positions[:2] == killed.positions
    positions = [position for position in other.positions if position is not None]
    assert positions == sorted({*positions})
    third = Engine(redis)
    other.reader.note_all_recorded()
    write(redis, reading(HOSTS[0], 4))
    third.reader.start()
    wait_for(lambda: third.given, "what was not recorded")
    third.reader.stop()
    assert third.of("0") == [(4, True)]


def test_reading_that_was_handed_on_while_the_engine_stopped_counts_as_recorded(redis: RedisServer) -> None:
    """Regression: the next engine got it again."""
    given = list[int]()

    def take(snapshot: Snapshot, **_more: object) -> None:
        given.append(snapshot.seq)
        stopping = threading.Thread(target=reader.stop, args=(0.0,))
        stopping.start()
        stopping.join()

    reader, after = StreamReader(redis.url, take), Engine(redis)
    write(redis, reading(HOSTS[0], 1), reading(HOSTS[0], 2))
    reader.start()
    wait_for(lambda: reader.has_ended, "the end of the first engine")
    reader.note_all_recorded()
    after.reader.start()
    wait_for(lambda: after.given, "what was not recorded")
    after.reader.stop()
    assert (given, after.of("0")) == ([1], [(2, True)])


def test_reading_waits_until_it_can_be_judged(redis: RedisServer) -> None:
    engine, asked, is_free = Engine(redis), list[str](), False

    def has_room(host_id: str) -> bool:
        asked.append(host_id)
        return is_free

    reader = StreamReader(redis.url, engine.take, has_room=has_room)
    write(redis, reading(HOSTS[0], 1), reading(HOSTS[0], 2))
    reader.start()
    wait_for(lambda: len(asked) > 1, "the second attempt")
    assert (engine.given, {*asked}) == ([], {HOSTS[0]})
    is_free = True
    wait_for(lambda: len(engine.given) == 2, "the readings")
    reader.stop()
    assert [seq for seq, _ in engine.of("0")] == [1, 2]


def test_engines_that_share_the_hosts_read_each_reading_once(redis: RedisServer) -> None:
    engines = [Engine(redis, shard) for shard in SHARDS]
    write(redis, *(reading(digit * 32, 1) for digit in "0123456789abcdef"))
    for engine in engines:
        engine.reader.start()
    for engine in engines:
        wait_for(lambda: len(engine.given) == 4, "its readings")  # noqa: B023  # called before the next one
        engine.reader.stop()
        engine.reader.note_all_recorded()
    assert "".join(digit for engine in engines for digit, _, _ in engine.given) == "0123456789abcdef"
    after = Engine(redis)
    write(redis, reading(HOSTS[1], 2))
    after.reader.start()
    wait_for(lambda: after.given, "what followed")
    after.reader.stop()
    assert after.given == [("f", 2, True)]


def test_reading_that_was_written_twice_is_handed_on_once(redis: RedisServer) -> None:
    """Redis can be lost after it has done what was asked, and before it has answered."""
    engine = Engine(redis)
    write(redis, reading(HOSTS[0], 1), reading(HOSTS[0], 2))
    write(redis, reading(HOSTS[0], 1), reading(HOSTS[0], 2), reading(HOSTS[0], 3))
    write(redis, reading(HOSTS[0], 1), process="second")
    engine.reader.start()
    wait_for(lambda: len(engine.given) == 4, "the readings")
    engine.reader.stop()
    assert [seq for seq, _ in engine.of("0")] == [1, 2, 3, 1]


def test_engine_reads_on_after_redis_was_away(redis: RedisServer) -> None:
    engine = Engine(redis)
    engine.reader.start()
    write(redis, reading(HOSTS[0], 1))
    wait_for(lambda: engine.given, "the first reading")
    redis.stop()
    problem = wait_for(lambda: engine.reader.problem, "the problem")
    assert problem.startswith("readings cannot be read from Redis (")
    redis.start()
    write(redis, reading(HOSTS[0], 2))
    wait_for(lambda: len(engine.given) == 2, "the second reading")
    wait_for(lambda: engine.reader.problem is None, "the end of the problem")
    engine.reader.stop()


def test_what_the_stages_cannot_write_is_not_noted_as_recorded(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this engine dies while the database is away, the next one reads it again."""
    monkeypatch.setattr(streams, "WRITTEN_SECONDS", 0)
    monkeypatch.setattr(streams, "_NOTE_SECONDS", 0)
    asked: list[bool] = []
    can_write = False

    def is_recording() -> bool:
        asked.append(can_write)
        return can_write

    engine = Engine(redis)
    reader = StreamReader(redis.url, engine.take, is_recording=is_recording)
    write(redis, reading(HOSTS[0], 1))
    with client_of(redis.url) as client:
        reader.start()
        wait_for(lambda: engine.given, "the reading")
        seen = len(asked)
        wait_for(lambda: len(asked) > seen + 1, "two more rounds")
        assert client.hgetall(RECORDED_KEY) == {}
        can_write = True
        wait_for(lambda: client.hgetall(RECORDED_KEY), "the position")
        reader.stop()


def test_memory_is_bounded_while_redis_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(reading(HOSTS[0], 1).data)
    assert 1000 * size < MOST_WAITING_BYTES
    monkeypatch.setattr("monitor.fleet.bus.outgoing.MOST_WAITING_BYTES", 3 * size + size // 2)
    outgoing = Outgoing()
    for number in range(1, 11):
        outgoing.put(host(gpu(0), host_id=HOSTS[0], seq=number), number=number, is_late=False)
    outgoing.encode()
    chunk = outgoing.chunk(50)
    assert chunk is not None
    assert [each.number for each in chunk.readings] == [8, 9, 10]
    assert [*chunk.hosts] == [HOSTS[0]]
    outgoing.sent(chunk)
    assert outgoing.chunk(50) is None
    assert "7 readings of other hosts are lost" in caplog.text
