"""The list of hosts in the header of every page, if there are several."""

from __future__ import annotations

from typing import NamedTuple

from monitor.fleet.host_summary import HostSummary
from monitor.runtime.runtime import Runtime
from monitor.web.api.hosts import hosts_of
from monitor.web.hosts.addresses import host_address, host_of_addresses

MOST_IN_PICKER = 40
_NOT_SHOWN = ("pending", "retired", "revoked")
"""States of hosts that are in the admin only."""


def shown_hosts(runtime: Runtime) -> tuple[HostSummary, ...]:
    """The host that answers, then the others by name, without those that may not send readings."""
    return tuple([host for host in hosts_of(runtime).hosts if host.state not in _NOT_SHOWN])


class HostLink(NamedTuple):
    """A host to go to."""

    name: str
    address: str


class HostPicker(NamedTuple):
    """The hosts to choose from."""

    host_count: int
    links: tuple[HostLink, ...]
    """The first ones only; the page of hosts has all."""

    @property
    def heading(self) -> str:
        """In the header of pages of all hosts."""
        return f"{self.host_count} hosts"

    @property
    def left_out_count(self) -> int:
        """The number of hosts without a link here."""
        return self.host_count - len(self.links)


def host_picker(runtime: Runtime) -> HostPicker | None:
    """None with one host."""
    if not runtime.fleet.has_hosts:
        return None
    hosts = shown_hosts(runtime)
    links = [HostLink(host.name, host_address(host_of_addresses(host))) for host in hosts[:MOST_IN_PICKER]]
    return HostPicker(len(hosts), tuple(links)) if len(hosts) > 1 else None
