"""The list of rule kinds, in the order that the form shows them."""

from __future__ import annotations

from monitor.rules.kinds.base import Kind
from monitor.rules.kinds.gpu_count_fell import GpuCountFell
from monitor.rules.kinds.gpu_lost import GpuLost
from monitor.rules.kinds.host_down import HostDown
from monitor.rules.kinds.idle_held import IdleHeld
from monitor.rules.kinds.process_gone import ProcessGone
from monitor.rules.kinds.rise import Rise
from monitor.rules.kinds.several_users import SeveralUsers
from monitor.rules.kinds.stale import Stale
from monitor.rules.kinds.threshold import Threshold
from monitor.rules.kinds.throttled import Throttled
from monitor.rules.kinds.xid import XidError
from monitor.rules.rule import Rule

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Threshold(),
        Stale(),
        GpuLost(),
        GpuCountFell(),
        XidError(),
        Rise(),
        Throttled(),
        SeveralUsers(),
        IdleHeld(),
        ProcessGone(),
        HostDown(),
    )
}


def kind_of(rule: Rule) -> Kind:
    """The kind of a valid rule."""
    return KINDS[rule.kind]


def fields_of_kinds() -> tuple[str, ...]:
    """The fields of a rule that only some kinds use."""
    return tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.needs + kind.takes))
