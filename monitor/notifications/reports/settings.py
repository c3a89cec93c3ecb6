"""What the weekly reports need of the settings."""

from __future__ import annotations

from typing import NamedTuple

from monitor.usage.reports import Prices


class ReportSettings(NamedTuple):
    """They can change at any time."""

    prices: Prices = Prices()
    address: str | None = None
    """How a user's mail address is made: `{user}@example.org`. None: users get no reports."""
