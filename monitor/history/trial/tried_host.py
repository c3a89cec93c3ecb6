"""The host on whose readings a rule is tested."""

from __future__ import annotations

from typing import NamedTuple

from monitor.history.store import OWN
from monitor.models import FleetHost, HistorySource
from monitor.rules.kinds.registry import kind_of
from monitor.rules.rule import Rule

_NOT_JUDGED = (FleetHost.State.PENDING, FleetHost.State.RETIRED, FleetHost.State.REVOKED)


class TriedHost(NamedTuple):
    """A host with what rules select it by."""

    host_id: str
    """Of a host whose agent has joined; empty: the host that answers."""
    name: str
    tags: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """It is the host that answers."""
        return self.host_id == OWN


def host_for(rule: Rule, own: TriedHost, *, has_gpus: bool) -> TriedHost:
    """The host that answers, if the rule applies to it and to something that it has; else the first by name that the rule applies
    to, with stored readings if there is one. Without any, the one that answers. `has_gpus`: the host that answers has any.

    Raises Django's database errors.
    """
    if rule.which.fits_host(own.name, own.tags) and (has_gpus or kind_of(rule).is_of_host(rule)):
        return own
    rows = FleetHost.objects.exclude(state__in=_NOT_JUDGED).order_by("name")
    others = [TriedHost(row.host_id, row.name, tuple(row.tags)) for row in rows]
    fitting = [each for each in others if rule.which.fits_host(each.name, each.tags)]
    recorded = {*HistorySource.objects.values_list("host_id", flat=True)}
    return next((each for each in fitting if each.host_id in recorded), next(iter(fitting), own))
