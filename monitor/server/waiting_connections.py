"""Limits the connections from which a request is still awaited: a client that opens many in silence must not keep others out.

If there are too many, the one that has waited longest is closed. A client that has something to say does so within milliseconds,
and browsers and proxies expect that idle connections are closed (RFC 9112, section 9.5).
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from itertools import islice
from typing import Protocol

log = logging.getLogger(__name__)

MOST = 4096
MOST_PER_ADDRESS = 256
"""Of one client, once the oldest of them has been silent for PATIENCE_SECONDS. A proxy in front is one client too: it keeps fewer
connections open than this while they are idle, and opens more when its viewers come back after a restart."""
PATIENCE_SECONDS = 2.0
_LOOKED_AT = 16
_LOG_SECONDS = 60.0


class Connection(Protocol):
    """What is limited."""

    def has_unread(self) -> bool:
        """Whether the client has sent something that the server has not read yet."""

    def abort(self) -> None:
        """Close it at once."""


class WaitingConnections:
    """All waiting connections of a server. Used by the event loop only."""

    def __init__(self, room: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`room`: how many connections fit, waiting or not (descriptors.py)."""
        self.room = room
        self._most = min(MOST, room // 2)
        self._most_per_address = min(MOST_PER_ADDRESS, self._most // 2)
        self._addresses: dict[Connection, Hashable] = {}
        """In the order in which they began to wait."""
        self._by_address: defaultdict[Hashable, dict[Connection, float]] = defaultdict(dict)
        """When each began to wait."""
        self._monotonic = monotonic
        self._quiet_until = float("-inf")

    def add(self, connection: Connection, address: Hashable, descriptor: int = 0) -> None:
        """A request of this connection is awaited from now on. `descriptor`: its number, if it is new.

        The kernel gives the lowest free number, so a high one means that few are free.
        """
        self._addresses[connection] = address
        of_address = self._by_address[address]
        of_address[connection] = now = self._monotonic()
        while len(of_address) > self._most_per_address and now - next(iter(of_address.values())) >= PATIENCE_SECONDS:
            self._close_one_of(of_address)
        if len(self._addresses) > self._most or descriptor >= self.room:
            self._close_one_of(self._addresses)

    def remove(self, connection: Connection) -> None:
        """The request has arrived, or the connection has ended. Unknown connections are ignored."""
        address = self._addresses.pop(connection, None)
        if address is None:
            return
        of_address = self._by_address[address]
        del of_address[connection]
        if not of_address:
            del self._by_address[address]

    def __len__(self) -> int:
        return len(self._addresses)

    def _close_one_of(self, connections: Iterable[Connection]) -> None:
        """Close the oldest one that is silent: during a flood, new requests lie there unread. Looks at a few only."""
        oldest = list(islice(connections, _LOOKED_AT))
        self._close(next((each for each in oldest if not each.has_unread()), oldest[0]))

    def _close(self, connection: Connection) -> None:
        address = self._addresses[connection]
        self.remove(connection)
        if self._monotonic() >= self._quiet_until:
            self._quiet_until = self._monotonic() + _LOG_SECONDS
            log.warning(
                "too many connections without a request (%d, from %s: %d): the oldest ones are closed",
                len(self._addresses) + 1,
                address,
                len(self._by_address.get(address, ())) + 1,
            )
        connection.abort()
