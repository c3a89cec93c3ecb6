"""The three tiers of the history: the width of their buckets, and the span that one row of the database covers."""

from __future__ import annotations

from typing import NamedTuple


class Tier(NamedTuple):
    """Buckets of one width, stored in chunks."""

    number: int
    """In the database: 1, 2, 3, from fine to coarse."""
    name: str
    bucket_seconds: int
    chunk_seconds: int
    """The span of one chunk, aligned to Unix time. A multiple of the next tier's bucket."""

    def chunk_of(self, at: float) -> int:
        """The start of the chunk that holds this time."""
        return int(at // self.chunk_seconds) * self.chunk_seconds


SECONDS = Tier(1, "seconds", 1, 600)
MINUTES = Tier(2, "minutes", 60, 12 * 3600)
QUARTERS = Tier(3, "quarter-hours", 900, 4 * 86400)
TIERS = (SECONDS, MINUTES, QUARTERS)
"""From fine to coarse."""
