"""How the time of one GPU divides among its holders, from one reading."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monitor.usage.holders import DIMENSIONS, Holder

MINOR_PART = 0.1
"""A holder with less than this part of the largest holder's memory, and no work to speak of, gets no share: a desktop's 4 MiB
do not halve a training's time."""


class Listed(NamedTuple):
    """What one reading says about one process."""

    holder: Holder
    memory_bytes: int | None
    sm_percent: float | None
    """0 to 100; None: unknown."""


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


class _Use(NamedTuple):
    memory_bytes: int | None
    sm_percent: float | None


_WHOLE = (1.0,) * len(DIMENSIONS)


def divide(listed: Sequence[Listed], *, utilization_percent: float | None, idle_percent: float) -> list[Portion]:
    """The portions of a GPU that these processes hold. Users share equally, then each user's holders do.

    `utilization_percent`: of the GPU. It stands for a single holder whose SM time is unknown; 0 means that nobody worked.
    `idle_percent`: the highest SM time that counts as no work.
    """
    uses: dict[Holder, _Use] = {}
    for holder, memory, time in listed:
        before = uses.get(holder)
        uses[holder] = _Use(memory, time) if before is None else _together(before, memory, time)
    if utilization_percent is not None and (len(uses) == 1 or utilization_percent == 0.0):
        for holder, use in uses.items():
            if use.sm_percent is None:
                uses[holder] = _Use(use.memory_bytes, utilization_percent)
    if len(uses) == 1:
        ((holder, only),) = uses.items()
        return [Portion(holder, 1.0, _WHOLE, only.memory_bytes or 0, only.sm_percent, 1.0)]
    least = max([use.memory_bytes or 0 for use in uses.values()]) * MINOR_PART
    sharing = [
        holder
        for holder, (memory, time) in uses.items()
        if memory is None or memory >= least or (time is not None and time > idle_percent)
    ]
    shares, occupied = _shares(tuple(sharing)), _occupied(tuple(uses))
    times = [use.sm_percent for use in uses.values()]
    total = 0.0 if None in times else sum([time or 0.0 for time in times])
    return [
        Portion(
            holder,
            shares.get(holder, 0.0),
            occupied[holder],
            memory or 0,
            time,
            shares.get(holder, 0.0) if not total else (time or 0.0) / total,
        )
        for holder, (memory, time) in uses.items()
    ]


@functools.lru_cache(maxsize=1024)
def _shares(sharing: tuple[Holder, ...]) -> Mapping[Holder, float]:
    """Of those that get a share."""
    of_user = Counter(holder.user for holder in sharing)
    return {holder: 1.0 / len(of_user) / of_user[holder.user] for holder in sharing}


@functools.lru_cache(maxsize=1024)
def _occupied(holders: tuple[Holder, ...]) -> Mapping[Holder, tuple[float, ...]]:
    counts = [Counter(names) for names in zip(*holders, strict=True)]
    return {
        holder: tuple([1.0 / count[name] for count, name in zip(counts, holder, strict=True)]) for holder in holders
    }


def _together(use: _Use, memory: int | None, time: float | None) -> _Use:
    """The sums; unknown if one is unknown. The driver's percentages of several processes can exceed 100 together."""
    return _Use(
        None if memory is None or use.memory_bytes is None else use.memory_bytes + memory,
        None if time is None or use.sm_percent is None else min(100.0, use.sm_percent + time),
    )
