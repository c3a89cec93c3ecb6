"""The addresses of a host's pages. Where `host` is empty, they are those of the host that answers."""

from __future__ import annotations

from django.urls import reverse

from monitor.fleet.host_summary import HostSummary
from monitor.runtime.process import runtime
from monitor.web.api.hosts import is_own


def host_of_addresses(host: HostSummary) -> str:
    """What an address calls the host: its name, or its id if the name cannot be one part of a path, or is that of the hub."""
    is_unique = host.is_hub or not is_own(runtime(), host.name)
    return host.name if _is_part_of_a_path(host.name) and is_unique else host.host_id or host.name


def _is_part_of_a_path(name: str) -> bool:
    return "/" not in name and name not in ("", ".", "..")


def host_in_addresses(wanted: str | None) -> str:
    """A requested host (name or id; None: the one that answers) in addresses, empty for the one that answers."""
    if wanted is None or is_own(runtime(), wanted):
        return ""
    found = None if _is_part_of_a_path(wanted) else runtime().fleet.named(wanted)
    return wanted if found is None else host_of_addresses(found)


def host_address(host: str) -> str:
    """The dashboard of a host."""
    return reverse("host", args=[host]) if host else reverse("dashboard")


def gpu_address(host: str, uuid: str) -> str:
    """The page of a GPU."""
    return reverse("host-gpu", args=[host, uuid]) if host else reverse("gpu", args=[uuid])
