"""The pages with live content, by the name in the address of their socket."""

from __future__ import annotations

from monitor.live.pieces import LivePage
from monitor.runtime.process import runtime
from monitor.web.hosts import page as hosts
from monitor.web.hosts.addresses import host_in_addresses
from monitor.web.hosts.boards import boards
from monitor.web.hosts.wanted import wanted_of_page
from monitor.web.pages import alerts, dashboard, gpu, history

_LONGEST_UUID = 96


def live_page_named(name: str, host: str | None = None) -> LivePage | None:
    """The page of this name (cards where it is empty) on the host with that name or id (None: on this one), or None."""
    other = host_in_addresses(host)
    if layout := dashboard.LAYOUTS.get(name or "cards"):
        return dashboard.live_page(layout, runtime().idle_limits, other)
    if name == alerts.LIVE_PAGE.name:
        return alerts.LIVE_PAGE_OF_FLEET if runtime().fleet.has_hosts else alerts.LIVE_PAGE
    if name == history.LIVE_PAGE.name:
        return history.LIVE_PAGE
    if (wanted := wanted_of_page(name)) is not None:
        return hosts.live_page(wanted, boards().at)
    uuid = name.removeprefix(gpu.PREFIX)
    return (
        gpu.live_page(uuid, runtime().idle_limits, other) if uuid != name and 0 < len(uuid) <= _LONGEST_UUID else None
    )
