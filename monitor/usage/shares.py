"""How the time of one GPU divides among its holders, from one reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from monitor.usage.holders import DIMENSIONS, Holder

K = TypeVar("K")
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
    for each in listed:
        use = _Use(each.memory_bytes, each.sm_percent)
        before = uses.get(each.holder)
        uses[each.holder] = use if before is None else _together([before, use])
    if utilization_percent is not None and (len(uses) == 1 or utilization_percent == 0.0):
        uses = {
            holder: use if use.sm_percent is not None else use._replace(sm_percent=utilization_percent)
            for holder, use in uses.items()
        }
    if len(uses) == 1:
        ((holder, only),) = uses.items()
        return [Portion(holder, 1.0, _WHOLE, only.memory_bytes or 0, only.sm_percent, 1.0)]
    shares = _shares(uses, idle_percent)
    energies = _energies(uses, shares)
    counts = [Counter(names) for names in zip(*uses, strict=True)]
    return [
        Portion(
            holder,
            shares[holder],
            tuple([1.0 / count[name] for count, name in zip(counts, holder, strict=True)]),
            use.memory_bytes or 0,
            use.sm_percent,
            energies[holder],
        )
        for holder, use in uses.items()
    ]


def _shares(uses: dict[Holder, _Use], idle_percent: float) -> dict[Holder, float]:
    of_user: dict[str, dict[Holder, _Use]] = {}
    for holder, use in uses.items():
        of_user.setdefault(holder.user, {})[holder] = use
    users = _sharing({user: _together(list(theirs.values())) for user, theirs in of_user.items()}, idle_percent)
    shares = dict.fromkeys(uses, 0.0)
    for user in users:
        sharing = _sharing(of_user[user], idle_percent)
        shares.update(dict.fromkeys(sharing, 1.0 / len(users) / len(sharing)))
    return shares


def _sharing(uses: dict[K, _Use], idle_percent: float) -> list[K]:
    """Those that get a share: at least one."""
    least = max(use.memory_bytes or 0 for use in uses.values()) * MINOR_PART
    return [
        key
        for key, use in uses.items()
        if use.memory_bytes is None or use.memory_bytes >= least or (use.sm_percent or 0.0) > idle_percent
    ]


def _energies(uses: dict[Holder, _Use], shares: dict[Holder, float]) -> dict[Holder, float]:
    times = {holder: use.sm_percent for holder, use in uses.items()}
    total = sum(time or 0.0 for time in times.values())
    if total <= 0.0 or None in times.values():
        return shares
    return {holder: (time or 0.0) / total for holder, time in times.items()}


def _together(uses: Sequence[_Use]) -> _Use:
    """The sums; unknown if one is unknown. The driver's percentages of several processes can exceed 100 together."""
    memories = [use.memory_bytes for use in uses]
    times = [use.sm_percent for use in uses]
    return _Use(
        None if None in memories else sum(memory or 0 for memory in memories),
        None if None in times else min(100.0, sum(time or 0.0 for time in times)),
    )
