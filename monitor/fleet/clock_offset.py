"""How far an agent's clock is ahead of the hub's, from the round trips of Pings."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

KEPT = 8
"""Round trips remembered: the offset follows a clock that is set within a minute or two."""


class _Measured(NamedTuple):
    round_trip_seconds: float
    offset_seconds: float


class ClockOffset:
    """The offset of one agent."""

    def __init__(self) -> None:
        self._measured: deque[_Measured] = deque(maxlen=KEPT)

    def add(self, *, agent_time: float, hub_time: float, round_trip_seconds: float) -> None:
        """Add an answer. `hub_time`: when it arrived; `agent_time`: what it says. Both are Unix seconds."""
        offset = agent_time - (hub_time - round_trip_seconds / 2)
        self._measured.append(_Measured(round_trip_seconds, offset))

    @property
    def seconds(self) -> float | None:
        """By the fastest of the last answers, which is off by at most half its round trip. None before the first."""
        return min(self._measured).offset_seconds if self._measured else None
