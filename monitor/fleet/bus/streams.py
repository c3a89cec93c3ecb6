"""The streams of readings: every process writes those of its agents, and each engine reads those of its shards.

    gpumon:readings:0 … f   by the first digit of the host id: readings of one host stay in order

    gpumon:recorded         how far everything is surely in the database

A stream keeps two and a half minutes, so that an engine can take over from another. It begins after `recorded`. What is already in
the stream then is marked as late, because the other one may have stored it: it is stored where that is missing. Up to where each
host was judged is in the database, with its alerts (AlertPosition).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from redis import Redis, RedisError
from redis.client import Pipeline

from monitor.fleet.bus.keys import PREFIX, client_of, reason_of
from monitor.fleet.bus.outgoing import Reading, unpacked
from monitor.logs.lasting_problem import LastingProblem
from monitor.shards import EVERY_HOST, Shard
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

DIGITS = "0123456789abcdef"
STREAMS = {digit: f"{PREFIX}readings:{digit}" for digit in DIGITS}
"""By the first digit of the host id."""
RECORDED_KEY = f"{PREFIX}recorded"
KEPT_SECONDS = 150
MOST_KEPT = 2500
"""Readings of each stream, about: at a hundred hosts a stream it keeps less than KEPT_SECONDS."""
WRITTEN_SECONDS = 90
"""After this, every stage has written what it was given: the slowest does so once a minute."""
_BLOCK_MS = 500
_AT_ONCE = 200
_NOTE_SECONDS = 5.0
_ROOM_SECONDS = 0.02
_FIRST = "0-0"


class Take(Protocol):
    """Receives what is read. `position`: rises within a stream; None for a reading that the agent had sent late."""

    def __call__(self, snapshot: Snapshot, *, is_late: bool, position: int | None) -> None: ...


def add(pipe: Pipeline, readings: tuple[Reading, ...], process: str) -> None:
    """Add the readings to their streams. `process`: random, of the one that writes."""
    for host_id, number, is_late, data in readings:
        fields: Any = {"from": process, "number": number, "late": int(is_late), "data": data}
        pipe.xadd(STREAMS[host_id[0]], fields, maxlen=MOST_KEPT, approximate=True)


def trim(client: Redis) -> None:
    """Drop what is older than KEPT_SECONDS, by Redis' clock."""
    now_seconds, _ = client.time()
    with client.pipeline(transaction=False) as pipe:
        for stream in STREAMS.values():
            pipe.xtrim(stream, minid=f"{(int(now_seconds) - KEPT_SECONDS) * 1000}-0", approximate=True)
        pipe.execute()


class StreamReader:
    """A stage of an engine: hands every reading of the hosts of a shard to the others, in order."""

    name = "streams"

    def __init__(
        self,
        url: str,
        take: Take,
        *,
        shard: Shard = EVERY_HOST,
        has_room: Callable[[str], bool] = lambda _host_id: True,
        is_recording: Callable[[], bool] = lambda: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`has_room`: whether the next reading of a host can be judged; until then it waits here. `is_recording`: whether every
        stage can write what it was given.
        """
        self._url, self._take, self._has_room = url, take, has_room
        self._streams = tuple(stream for digit, stream in STREAMS.items() if shard.has(digit))
        self._is_recording = is_recording
        self._monotonic = monotonic
        self._problem: str | None = None
        self._lasting = LastingProblem(log)
        self._at: dict[str, str] = {}
        """The last id read of each stream."""
        self._late_until: dict[str, int] = {}
        """The last position in each stream when this one began."""
        self._numbers: dict[tuple[str, str], int] = {}
        """Of the last reading, by stream and process."""
        self._passed: deque[tuple[float, dict[str, str]]] = deque()
        """Where the streams were read to, and when."""
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """The engine's own host has no readings."""

    def stop(self, seconds: float = 3.0) -> None:
        """Read nothing more."""
        self._is_stopping.set()
        self._thread.join(seconds)

    @property
    def problem(self) -> str | None:
        return self._problem

    @property
    def has_ended(self) -> bool:
        """Nothing is handed on any more."""
        return not self._thread.is_alive()

    def note_all_recorded(self) -> None:
        """Every stage has written everything, because it has stopped. After `stop`."""
        try:
            _note_at(client_of(self._url), self._at)
        except (RedisError, OSError) as error:
            log.warning("how far the readings are recorded could not be noted: %s", reason_of(error))

    def _run(self) -> None:
        client = client_of(self._url)
        while not self._is_stopping.is_set():
            try:
                if not self._at:
                    self._begin(client)
                self._read(client)
                self._note_recorded(client)
            except (RedisError, OSError) as error:
                self._problem = f"readings cannot be read from Redis ({reason_of(error)})"
                self._lasting.noticed(self._problem)
                self._is_stopping.wait(1.0)
            else:
                self._problem = None
                self._lasting.is_over("recovered: readings can be read from Redis")
        client.close()

    def _begin(self, client: Redis) -> None:
        """After what an engine before this one has surely recorded."""
        for stream in self._streams:
            last: Any = client.xrevrange(stream, count=1)
            self._late_until[stream] = _position(last[0][0].decode()) if last else 0
        found: Any = client.hgetall(RECORDED_KEY)
        self._at = {stream: found.get(stream.encode(), _FIRST.encode()).decode() for stream in self._streams}

    def _read(self, client: Redis) -> None:
        since: Any = {**self._at}
        found: Any = client.xread(since, count=_AT_ONCE, block=_BLOCK_MS)
        for stream_bytes, entries in found or ():
            stream = stream_bytes.decode()
            for id_bytes, fields in entries:
                entry = id_bytes.decode()
                if self._is_stopping.is_set() or not self._hand_on(stream, fields, _position(entry)):
                    return
                self._at[stream] = entry

    def _hand_on(self, stream: str, fields: Mapping[bytes, bytes], position: int) -> bool:
        """Returns False if the reader is stopped while the reading waits to be judged."""
        process, number = fields[b"from"].decode(), int(fields[b"number"])
        if number <= self._numbers.get((stream, process), 0):
            return True  # written twice, because Redis was lost before it had answered
        self._numbers[stream, process] = number
        try:
            snapshot = unpacked(fields[b"data"]).snapshot
        except ValueError as error:  # of another version of gpumon
            self._lasting.noticed(f"a reading in Redis cannot be decoded: {error}")
            return True
        if fields[b"late"] == b"1":
            self._take(snapshot, is_late=True, position=None)
            return True
        while not self._has_room(snapshot.host_id or ""):
            if self._is_stopping.wait(_ROOM_SECONDS):
                return False
        self._take(snapshot, is_late=position <= self._late_until[stream], position=position)
        return True

    def _note_recorded(self, client: Redis) -> None:
        if not self._is_recording():
            self._passed.clear()  # what waits in memory is read again if this engine dies
            return
        now = self._monotonic()
        if self._passed and now - self._passed[-1][0] < _NOTE_SECONDS:
            return
        self._passed.append((now, {**self._at}))
        done = None
        while self._passed and now - self._passed[0][0] >= WRITTEN_SECONDS:
            done = self._passed.popleft()[1]
        if done is not None:
            _note_at(client, done)


def _note_at(client: Redis, at: Mapping[str, str]) -> None:
    known: Any = {stream: entry for stream, entry in at.items() if entry != _FIRST}
    if known:
        client.hset(RECORDED_KEY, mapping=known)


def _position(entry: str) -> int:
    """One number for an id, which is the milliseconds and a count in each: until the year 2248 it fits into 64 bits."""
    milliseconds, _, count = entry.partition("-")
    return (int(milliseconds) << 20) + int(count)


def new_process() -> str:
    """A name for this process in the streams."""
    return secrets.token_hex(8)
