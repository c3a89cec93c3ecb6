"""The state of the sampler, as the supervisor sees it."""

from __future__ import annotations

import msgspec


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """State of the sampler, for health and doctor."""

    sampler_pid: int | None = None
    readings: int = 0
    """Received since the start of the server."""
    restarts: int = 0
    abandoned: int = 0
    """Samplers in uninterruptible sleep that could not be killed."""
    problem: str | None = None
    """Why there are no fresh readings; None while there are."""
    clamped_count: int = 0
