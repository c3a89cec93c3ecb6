"""A rule as the engine of this process would judge it: made with the limits for idle holding that are in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.rules import making
from monitor.rules.making import Rule
from monitor.runtime import process


def make_rule(given: Mapping[str, Any]) -> Rule:
    """A rule of an AlertRule's fields (`gpus` as UUIDs). Raises BadRule."""
    config = process.config()
    return making.make(
        given,
        held_memory_mib=config.idle_held_memory_mib,
        held_percent=config.idle_held_utilization_percent,
        held_minutes=config.idle_held_minutes,
    )
