"""How the time of one GPU divides among its holders, from one reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from monitor.usage.holders import DIMENSIONS, Holder

MINOR_PART = 0.1
"""A holder with less than this part of the largest holder's memory, and no work to speak of, gets no share: a desktop's 4 MiB
do not halve a training's time."""


Use = tuple[int | None, float | None]
"""What one reading says about one process: bytes of memory, and SM time in percent, 0 to 100; None: unknown."""


class Portion(NamedTuple):
    """One holder's part of a GPU. Over all holders, shares add up to 1, and so do the energy parts."""

    holder: Holder
    share: float
    occupied: tuple[float, ...]
    """For each dimension, this holder's part of its user's, container's … whole: holders of one user add up to 1."""
    memory_bytes: int
    sm_percent: float | None
    energy: float
    """By SM time; as `share` where nobody's SM time is known or positive."""


_WHOLE = (1.0,) * len(DIMENSIONS)


class Division:
    """How the time of a GPU divides among its processes, the same for many readings. Users share equally, then each user's holders
    do.
    """

    def __init__(self, holders: Sequence[Holder]) -> None:
        """`holders`: of each process."""
        self._holders = [*dict.fromkeys(holders)]
        self._places = [self._holders.index(holder) for holder in holders]
        self._occupied = _occupied(self._holders)
        self._shares: dict[tuple[bool, ...], list[float]] = {}
        """By which holders get a share."""

    def portions(self, uses: Sequence[Use], *, utilization_percent: float | None, idle_percent: float) -> list[Portion]:
        """The portions of all holders. `uses`: of each process.

        `utilization_percent`: of the GPU. It stands for a single holder whose SM time is unknown; 0 means that nobody worked.
        `idle_percent`: the highest SM time that counts as no work.
        """
        memories, times = self._together(uses)
        count = len(self._holders)
        if utilization_percent is not None and (count == 1 or utilization_percent == 0.0):
            times = [utilization_percent if time is None else time for time in times]
        if count == 1:
            return [Portion(self._holders[0], 1.0, _WHOLE, memories[0] or 0, times[0], 1.0)]
        least = max([memory or 0 for memory in memories]) * MINOR_PART
        is_sharing = tuple([
            memory is None or memory >= least or (time is not None and time > idle_percent)
            for memory, time in zip(memories, times, strict=True)
        ])  # fmt: skip
        shares = self._shares.get(is_sharing)
        if shares is None:
            shares = self._shares[is_sharing] = _shares(self._holders, is_sharing)
        total = 0.0 if None in times else sum([time or 0.0 for time in times])
        return [
            Portion(holder, share, occupied, memory or 0, time, share if not total else (time or 0.0) / total)
            for holder, share, occupied, memory, time in zip(
                self._holders, shares, self._occupied, memories, times, strict=True
            )
        ]

    def _together(self, uses: Sequence[Use]) -> tuple[list[int | None], list[float | None]]:
        """The sums of each holder; unknown if one is unknown. The driver's percentages of several processes can exceed 100
        together.
        """
        if len(uses) == len(self._holders):
            return [memory for memory, _time in uses], [time for _memory, time in uses]
        memories: list[int | None] = [0] * len(self._holders)
        times: list[float | None] = [0.0] * len(self._holders)
        for place, (memory, time) in zip(self._places, uses, strict=True):
            memory_before, time_before = memories[place], times[place]
            memories[place] = None if memory is None or memory_before is None else memory_before + memory
            times[place] = None if time is None or time_before is None else min(100.0, time_before + time)
        return memories, times


def _shares(holders: Sequence[Holder], is_sharing: Sequence[bool]) -> list[float]:
    of_user = Counter(holder.user for holder, shares in zip(holders, is_sharing, strict=True) if shares)
    return [
        1.0 / len(of_user) / of_user[holder.user] if shares else 0.0
        for holder, shares in zip(holders, is_sharing, strict=True)
    ]


def _occupied(holders: Sequence[Holder]) -> list[tuple[float, ...]]:
    counts = [Counter(names) for names in zip(*holders, strict=True)]
    return [tuple([1.0 / count[name] for count, name in zip(counts, holder, strict=True)]) for holder in holders]
