"""Whether other hosts send readings, as the hub of a fleet knows it: the input of rules about the hosts themselves."""

from __future__ import annotations

from typing import NamedTuple


class HostContact(NamedTuple):
    """What the hub knows of one host besides its readings."""

    host_id: str
    name: str
    tags: tuple[str, ...]
    is_down: bool | None
    """Nothing has arrived for three intervals and some seconds; None: the hub has not run for long enough to know."""
    last_heard_at: float | None
    """When something arrived last, in Unix seconds by the hub's clock; None if that is unknown."""
    why_not_expected: str = ""
    """Why its silence is no news, such as that it was retired; empty if readings are expected."""
    is_gone: bool = False
    """It was retired or its key revoked: no readings will come, and what was open about it is over."""
