"""Values that fields of a rule can have, whatever its kind: comparators, severities, throttle reasons, MIG."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Literal, get_args

from monitor.telemetry.schema import Severity

Comparator = Literal[">", ">=", "<", "<="]
Throttle = Literal["thermal", "power", "any"]
Mig = Literal["any", "only", "without"]
Phase = Literal["pending", "firing"]

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Least severe first."""

THROTTLE_REASONS: dict[str, frozenset[str]] = {
    "thermal": frozenset({"sw_thermal_slowdown", "hw_thermal_slowdown"}),
    "power": frozenset({"hw_power_brake_slowdown", "sw_power_cap"}),
}
"""NVML's clock event reasons, as the schema names them. hw_slowdown by itself can appear briefly at a change of
performance state, so it is not among them."""
