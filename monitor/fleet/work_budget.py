"""How much of the hub's event loop the messages of one host may take: it also serves all viewers and the other hosts."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_SHARE = 0.2
"""Of a processor, on average. A host with 64 GPUs takes 6 % while it repeats what the hub has missed."""
AT_ONCE_SECONDS = 10.0


class WorkBudget:
    """The processor time of each host's messages. Kept by host id, so that connecting again does not renew it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._taken: dict[str, tuple[float, float]] = {}
        """Seconds taken above the share, and as of when."""

    def add(self, host_id: str, seconds: float) -> None:
        """A message of this host took this many seconds of processor time."""
        self._taken[host_id] = self._above_share(host_id) + seconds, self._monotonic()

    def is_spent(self, host_id: str) -> bool:
        """Whether the host has to wait before its next message."""
        return self._above_share(host_id) > AT_ONCE_SECONDS

    def _above_share(self, host_id: str) -> float:
        seconds, at = self._taken.get(host_id, (0.0, 0.0))
        return max(0.0, seconds - MOST_SHARE * (self._monotonic() - at))
