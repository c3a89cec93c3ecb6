"""The addresses of a host's pages. Where `host` is empty, they are those of the host that answers."""

from __future__ import annotations

from django.urls import reverse

from monitor.fleet.host_summary import HostSummary
from monitor.runtime.process import runtime
from monitor.web.api.hosts import is_own


def host_of_addresses(host: HostSummary) -> str:
    """What an address calls the host: its name, or its id if the name cannot be one part of a path, or is that of the hub."""
    is_part = "/" not in host.name and host.name not in ("", ".", "..")
    is_unique = host.is_hub or not is_own(runtime(), host.name)
    return host.name if is_part and is_unique else host.host_id or host.name


def host_in_addresses(wanted: str | None) -> str:
    """A requested host (name or id; None: the one that answers) in addresses, empty for the one that answers."""
    return "" if is_own(runtime(), wanted) else wanted or ""


def host_address(host: str) -> str:
    """The dashboard of a host."""
    return reverse("host", args=[host]) if host else reverse("dashboard")


def gpu_address(host: str, uuid: str) -> str:
    """The page of a GPU."""
    return reverse("host-gpu", args=[host, uuid]) if host else reverse("gpu", args=[uuid])
