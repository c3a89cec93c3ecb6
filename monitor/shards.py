"""The shards of a fleet: fixed parts of its hosts, by their ids. Several engines divide them among themselves."""

from __future__ import annotations

from typing import NamedTuple


class Shard(NamedTuple):
    """The hosts from one id up to another. An id is 32 hexadecimal digits; that of a server's own host is empty."""

    number: int
    first: str
    """The lowest host id."""
    end: str | None
    """Every id is lower; None: there is no limit."""

    def has(self, host_id: str) -> bool:
        """Whether the host is one of these."""
        return self.first <= host_id and (self.end is None or host_id < self.end)

    @property
    def is_first(self) -> bool:
        """Whether it has the server's own host. With it goes what is done once for all: rules about hosts, retention, sending."""
        return self.has("")

    def lookups(self, field: str) -> dict[str, str]:
        """The same for a query by this field."""
        found = {f"{field}__gte": self.first} if self.first else {}
        return found if self.end is None else found | {f"{field}__lt": self.end}


EVERY_HOST = Shard(0, "", None)
SHARDS = tuple(
    Shard(number, first, end) for number, (first, end) in enumerate([("", "4"), ("4", "8"), ("8", "c"), ("c", None)])
)
"""Every engine of a hub must divide the hosts alike, so these never change while one runs."""
