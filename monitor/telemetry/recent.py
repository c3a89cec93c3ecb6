"""The snapshots of the last 15 minutes in memory, compressed, to test a rule on before it is saved."""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from monitor.telemetry.schema import Snapshot

KEPT_SECONDS = 900.0
SHORTEST_STEP_SECONDS = 1.0
"""Snapshots closer together than this are skipped."""
MOST_BYTES = 5_000_000
"""Of all snapshots together. The larger they are (many GPUs), the further apart they are kept, so that 15 minutes fit."""
_EARLY_SHARE = 0.1
"""A snapshot counts as due this share of a step early: ticks are a little early or late."""
_CLOCK_WAS_SET_SECONDS = 60.0
"""If time runs back further than this, the clock was set: what was kept is no longer from the last minutes."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


class _Kept(NamedTuple):
    time: float
    packed: bytes


class Recent:
    """Filled by one thread, read by any. Uses the snapshots' own times."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._step = SHORTEST_STEP_SECONDS
        self._lock = threading.Lock()

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot if it is due, and drop those older than 15 minutes."""
        if self._kept:
            since = snapshot.time - self._kept[-1].time
            if since <= -_CLOCK_WAS_SET_SECONDS:
                self._forget()
            elif since < self._step * (1 - _EARLY_SHARE):
                return
        # No rule reads the providers' reports, the notices or the alerts.
        bare = msgspec.structs.replace(snapshot, providers=(), notices=(), alerts=())
        packed = zlib.compress(_encoder.encode(bare), 1)
        self._step = max(SHORTEST_STEP_SECONDS, KEPT_SECONDS * len(packed) / self._most_bytes)
        with self._lock:
            self._kept.append(_Kept(snapshot.time, packed))
            self._bytes += len(packed)
            # Ends up empty if this snapshot alone exceeds the limit.
            while self._kept and (self._bytes > self._most_bytes or self._kept[0].time < snapshot.time - KEPT_SECONDS):
                self._bytes -= len(self._kept.popleft().packed)

    def snapshots(self) -> Iterator[Snapshot]:
        """The kept snapshots, oldest first, each unpacked when it is requested."""
        with self._lock:
            kept = tuple(self._kept)
        return (_decoder.decode(zlib.decompress(each.packed)) for each in kept)

    @property
    def step_seconds(self) -> float:
        """The shortest time between two kept snapshots."""
        return self._step

    @property
    def size_bytes(self) -> int:
        """Size of the compressed snapshots."""
        return self._bytes

    def _forget(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0
