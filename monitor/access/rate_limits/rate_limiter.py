"""A rate limit: one token bucket per client, which refills at the rate and holds the largest burst."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

MOST_CLIENTS = 10_000
"""Buckets kept. Beyond that, the longest unused one is dropped, which by then is usually full again."""


class _Bucket(NamedTuple):
    left: float
    at: float


class Rate:
    """`per_minute` attempts per minute and client, at most `at_once` together. Used from any thread."""

    def __init__(self, *, per_minute: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._at_once = at_once
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str) -> int:
        """Take an attempt and return 0, or return in how many whole seconds there will be one."""
        with self._lock:
            left = self._left(client)
            if (wait := self._wait(left)) == 0:
                self._buckets[client] = _Bucket(left - 1, self._clock())
                self._buckets.move_to_end(client)
                if len(self._buckets) > MOST_CLIENTS:
                    self._buckets.popitem(last=False)
            return wait

    def give_back(self, client: str) -> None:
        """Return an attempt."""
        with self._lock:
            if client in self._buckets:
                self._buckets[client] = _Bucket(min(self._at_once, self._left(client) + 1), self._clock())

    def forget(self, client: str) -> None:
        """Return all attempts of this client."""
        with self._lock:
            self._buckets.pop(client, None)

    @property
    def client_count(self) -> int:
        """Clients that have a bucket."""
        return len(self._buckets)

    def _left(self, client: str) -> float:
        bucket = self._buckets.get(client)
        if bucket is None:
            return self._at_once
        return min(self._at_once, bucket.left + self._per_second * (self._clock() - bucket.at))

    def _wait(self, left: float) -> int:
        # Ignore what is missing by rounding.
        return max(0, math.ceil((1 - left) / self._per_second - 1e-6))


def client_of(address: str) -> str:
    """The client of an address: the address itself, or the /64 of IPv6, in which one host has endless addresses."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def site_of(address: str) -> str | None:
    """The /48 of an IPv6 address: what a provider gives to one customer, with 65,536 clients. None for IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv4Address) or parsed.ipv4_mapped is not None:
        return None
    return str(ipaddress.ip_network((parsed, 48), strict=False))
