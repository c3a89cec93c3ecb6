"""When the next message may be sent: by a schedule, so that a late message does not delay the ones after it."""

from __future__ import annotations

import math

TOLERANCE = 0.15
"""Share of the interval by which a message may be early: readings do not arrive on the microsecond."""


class Schedule:
    """The generic cell rate algorithm (ITU-T I.371): one message per interval on average, and at most two at once.

    Counting the interval from the last message instead would keep every delay. Where readings come at the same interval, each
    would wait for as long as the first one did.
    """

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._due = -math.inf

    def seconds_until_due(self, now: float) -> float:
        """How long the next message has to wait; 0 if it may be sent."""
        return max(0.0, self._due - TOLERANCE * self.interval_seconds - now)

    def count(self, now: float) -> None:
        """Count a message sent now."""
        self._due = max(self._due, now - self.interval_seconds) + self.interval_seconds

    def restart(self, now: float) -> None:
        """Make the next message due one interval from now, whatever was sent before."""
        self._due = now + self.interval_seconds
