"""The readings of the last 15 minutes in memory, packed, so that a rule can be tried on them before it is saved."""

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
"""Snapshots that follow more closely are passed over."""
MOST_BYTES = 5_000_000
"""All together. Many GPUs make large snapshots: those are then kept further apart, so that 15 minutes fit."""
_EARLY_SHARE = 0.1
"""A snapshot is in time by this share of a step before it is due: ticks come a little early or late."""
_CLOCK_WAS_SET_SECONDS = 60.0
"""Time that runs back further than this is another time: what was kept is not of the last minutes any more."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


class _Kept(NamedTuple):
    time: float
    packed: bytes


class Recent:
    """Fed by one thread, read by any. Times are the snapshots' own."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._step = SHORTEST_STEP_SECONDS
        self._lock = threading.Lock()

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot if its turn has come, and let go of what is older than 15 minutes."""
        if self._kept:
            since = snapshot.time - self._kept[-1].time
            if since <= -_CLOCK_WAS_SET_SECONDS:
                self._forget()
            elif since < self._step * (1 - _EARLY_SHARE):
                return
        # What was tried to get readings, and what rules made of them, is nothing that a rule can look at.
        bare = msgspec.structs.replace(snapshot, providers=(), notices=(), alerts=())
        packed = zlib.compress(_encoder.encode(bare), 1)
        self._step = max(SHORTEST_STEP_SECONDS, KEPT_SECONDS * len(packed) / self._most_bytes)
        with self._lock:
            self._kept.append(_Kept(snapshot.time, packed))
            self._bytes += len(packed)
            # Empty where this snapshot alone is more than all may take.
            while self._kept and (self._bytes > self._most_bytes or self._kept[0].time < snapshot.time - KEPT_SECONDS):
                self._bytes -= len(self._kept.popleft().packed)

    def snapshots(self) -> Iterator[Snapshot]:
        """What is kept at this moment, the oldest first; unpacked one by one as they are asked for."""
        with self._lock:
            kept = tuple(self._kept)
        return (_decoder.decode(zlib.decompress(each.packed)) for each in kept)

    @property
    def step_seconds(self) -> float:
        """How far apart the snapshots are kept now, at least."""
        return self._step

    @property
    def size_bytes(self) -> int:
        """What the snapshots take, packed."""
        return self._bytes

    def _forget(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0
