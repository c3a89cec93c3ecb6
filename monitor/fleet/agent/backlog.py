"""What the hub has not received: the snapshots of up to an hour, compressed, within a number of bytes."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

LONGEST_SECONDS = 3600.0
MOST_BYTES = 16 * 1024 * 1024
"""Of compressed snapshots: an hour at a reading a second and about 8 GPUs, 5 kB each."""
_LEVEL = 1
"""Of zlib: 45 kB of 8 GPUs become 5.3 kB in 0.1 ms; level 6 takes three times as long for 4.8 kB."""


class Kept(NamedTuple):
    """A snapshot."""

    number: int
    """Increases with each snapshot of this agent."""
    at: float
    """When it was made, by the monotonic clock."""
    compressed: bytes

    @property
    def encoded(self) -> bytes:
        """The snapshot as MessagePack."""
        return zlib.decompress(self.compressed)


class Backlog:
    """In the order of their numbers. Beyond the limits, the oldest are dropped."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, monotonic: Callable[[], float]) -> None:
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self.dropped_count = 0
        """Snapshots dropped because of the limits."""

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, number: int, encoded: bytes) -> Kept:
        """A snapshot, compressed; not added yet."""
        return Kept(number, self._monotonic(), zlib.compress(encoded, _LEVEL))

    def add(self, missed: list[Kept]) -> None:
        """Add what the hub has not received, in any order."""
        if missed and self._kept and min(missed).number < self._kept[-1].number:
            self._kept = deque(sorted([*self._kept, *missed]))
        else:
            self._kept.extend(sorted(missed))
        self._bytes += sum(len(each.compressed) for each in missed)
        oldest_at = self._monotonic() - LONGEST_SECONDS
        while self._kept and (self._bytes > self._most_bytes or self._kept[0].at < oldest_at):
            self._drop()

    def take(self) -> Kept | None:
        """Remove the oldest; None if there is none."""
        if not self._kept:
            return None
        taken = self._kept.popleft()
        self._bytes -= len(taken.compressed)
        return taken

    def _drop(self) -> None:
        self.take()
        self.dropped_count += 1
