"""The streams of readings: every process writes those of its agents, and each engine reads those of its shards.

    gpumon:readings:0 … f   by the first digit of the host id: readings of one host stay in order

    gpumon:read             how far each has been read, written before what is read is handed on
    gpumon:recorded         how far everything is surely in the database

A stream keeps two and a half minutes, so that an engine can take over from another. It begins after `recorded`; what the other one
had read is marked as late: it is stored where that is missing, and not judged again.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from redis import Redis, RedisError
from redis.client import Pipeline

from monitor.fleet.bus.base import Publish
from monitor.fleet.bus.keys import PREFIX, client_of, reason_of
from monitor.fleet.bus.outgoing import Reading, unpacked
from monitor.logs.lasting_problem import LastingProblem
from monitor.shards import EVERY_HOST, Shard
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

DIGITS = "0123456789abcdef"
STREAMS = {digit: f"{PREFIX}readings:{digit}" for digit in DIGITS}
"""By the first digit of the host id."""
READ_KEY, RECORDED_KEY = f"{PREFIX}read", f"{PREFIX}recorded"
KEPT_SECONDS = 150
MOST_KEPT = 2500
"""Readings of each stream, about: at a hundred hosts a stream it keeps less than KEPT_SECONDS."""
WRITTEN_SECONDS = 90
"""After this, every stage has written what it was given: the slowest does so once a minute."""
_BLOCK_MS = 500
_AT_ONCE = 200
_NOTE_SECONDS = 5.0
_FIRST = "0-0"


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
        publish: Publish,
        *,
        shard: Shard = EVERY_HOST,
        is_recording: Callable[[], bool] = lambda: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_recording`: whether every stage can write what it was given."""
        self._url, self._publish = url, publish
        self._streams = tuple(stream for digit, stream in STREAMS.items() if shard.has(digit))
        self._is_recording = is_recording
        self._monotonic = monotonic
        self._problem: str | None = None
        self._lasting = LastingProblem(log)
        self._at: dict[str, str] = {}
        """The last id read of each stream."""
        self._late_until: dict[str, str] = {}
        """What another engine had read when this one began."""
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
            _note(client_of(self._url), RECORDED_KEY, self._at)
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
        self._late_until = _noted(client, READ_KEY, self._streams)
        self._at = _noted(client, RECORDED_KEY, self._streams)

    def _read(self, client: Redis) -> None:
        since: Any = {**self._at}
        found: Any = client.xread(since, count=_AT_ONCE, block=_BLOCK_MS)
        _note(client, READ_KEY, {stream.decode(): entries[-1][0].decode() for stream, entries in found or ()})
        for stream_bytes, entries in found or ():
            stream = stream_bytes.decode()
            late_until = _number(self._late_until[stream])
            for id_bytes, fields in entries:
                entry = id_bytes.decode()
                self._hand_on(stream, fields, was_read=_number(entry) <= late_until)
                self._at[stream] = entry

    def _hand_on(self, stream: str, fields: Mapping[bytes, bytes], *, was_read: bool) -> None:
        process, number = fields[b"from"].decode(), int(fields[b"number"])
        if number <= self._numbers.get((stream, process), 0):
            return  # written twice, because Redis was lost before it had answered
        self._numbers[stream, process] = number
        try:
            snapshot = unpacked(fields[b"data"]).snapshot
        except ValueError as error:  # of another version of gpumon
            self._lasting.noticed(f"a reading in Redis cannot be decoded: {error}")
            return
        self._publish(snapshot, is_late=was_read or fields[b"late"] == b"1")

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
            _note(client, RECORDED_KEY, done)


def _note(client: Redis, key: str, at: Mapping[str, str]) -> None:
    known: Any = {stream: entry for stream, entry in at.items() if entry != _FIRST}
    if known:
        client.hset(key, mapping=known)


def _noted(client: Redis, key: str, streams: Iterable[str]) -> dict[str, str]:
    found: Any = client.hgetall(key)
    return {stream: found.get(stream.encode(), _FIRST.encode()).decode() for stream in streams}


def _number(entry: str) -> tuple[int, int]:
    milliseconds, _, count = entry.partition("-")
    return int(milliseconds), int(count)


def new_process() -> str:
    """A name for this process in the streams."""
    return secrets.token_hex(8)
