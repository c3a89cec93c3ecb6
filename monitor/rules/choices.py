"""The words a rule is made of: what kinds there are, how values are compared, which GPUs are meant."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

from monitor.telemetry.schema import Severity

Kind = Literal[
    "threshold",
    "stale",
    "gpu_lost",
    "gpu_count_fell",
    "xid",
    "rise",
    "throttled",
    "several_users",
    "idle_held",
    "process_gone",
]
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
"""From the least to the worst."""


class KindOf(NamedTuple):
    """What a kind of rule is about, in the words of the admin."""

    label: str
    help: str
    needs: tuple[str, ...]
    """Fields of a rule that this kind cannot do without."""
    takes: tuple[str, ...] = ()
    """Fields it takes besides; those of no use to it have to be empty."""
    is_of_a_moment: bool = False
    """It holds for one reading alone: with a time to hold before it fires, it would never fire."""


KINDS: dict[str, KindOf] = {
    "threshold": KindOf(
        "A value passes a threshold",
        "Compares a metric with a number, or with a limit of the card itself.",
        ("metric", "comparator", "threshold"),
        ("clear_threshold", "relative_to"),
    ),
    "stale": KindOf("No data, or old data", "No fresh reading for so many seconds.", ("threshold",)),
    "gpu_lost": KindOf("A GPU is lost", "A GPU fell off the bus or does not answer any more.", ()),
    "gpu_count_fell": KindOf(
        "Fewer GPUs than before",
        "The host shows fewer GPUs than the most seen since this rule was last edited.",
        (),
    ),
    "xid": KindOf(
        "A new Xid error",
        "The driver reports an Xid. Codes that a faulty program alone can cause are best ignored.",
        (),
        ("ignored_xids",),
        is_of_a_moment=True,
    ),
    "rise": KindOf(
        "A counter rises", "A counter of errors rises by at least so much from one reading to the next.",
        ("metric", "threshold"),
        is_of_a_moment=True,
    ),
    "throttled": KindOf(
        "Clocks are held down", "The driver lowers the clocks for the chosen reasons.", ("throttle",)
    ),
    "several_users": KindOf(
        "Several users on one GPU", "Processes of at least so many users are on one GPU.", ("threshold",)
    ),
    "idle_held": KindOf(
        "Memory is held idly",
        "A process keeps memory while its GPU does next to nothing. What is left empty is as in the settings.",
        (),
        ("held_memory_mib", "threshold"),
    ),
    "process_gone": KindOf(
        "A dead process holds memory", "A process that has ended still holds GPU memory.", (), ("held_memory_mib",)
    ),
}  # fmt: skip
THROTTLE_REASONS: dict[str, frozenset[str]] = {
    "thermal": frozenset({"sw_thermal_slowdown", "hw_thermal_slowdown"}),
    "power": frozenset({"hw_power_brake_slowdown", "sw_power_cap"}),
}
"""NVML's clock-event reasons, as the schema names them. hw_slowdown alone may flash at a change of performance state."""
