"""Who used each GPU in a span, in few words: the column of /history."""

from __future__ import annotations

from monitor.usage.reports import users_by_gpu
from monitor.usage.store import OWN

_NAMED = 2


def users_of_gpus(start: float, end: float, *, host_id: str = OWN, now: float | None = None) -> dict[str, str]:
    """Of a host, by UUID: mira, lin +1, the largest share first. Reads the database. `now`: to test."""
    return {uuid: _in_words(users) for uuid, users in users_by_gpu(start, end, host_id=host_id, now=now).items()}


def _in_words(users: tuple[str, ...]) -> str:
    more = len(users) - _NAMED
    return ", ".join(users[:_NAMED]) + (f" +{more}" if more > 0 else "")
