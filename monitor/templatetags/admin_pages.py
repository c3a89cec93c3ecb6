"""The header and the subjects of the admin's pages, which look like the others: `{% site_header %}`, `{% subjects as groups %}`."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.urls import reverse

from monitor.runtime.process import runtime
from monitor.sanitize import plain
from monitor.telemetry.schema import Snapshot
from monitor.web.hosts.picker import host_picker
from monitor.web.pages.base_context import StillPage
from monitor.web.snapshots import as_seen

register = template.Library()

GROUPS: Mapping[str, Sequence[str]] = {
    "Alerting": ("AlertRule", "Channel", "Delivery", "AlertEvent"),
    "Fleet": ("FleetHost", "SeenGpu"),
    "Access": ("User", "Group", "ApiToken", "ViewLink"),
    "Site": ("SiteSettings",),
}
"""Every model of the admin, by its class. One that is missing here comes last, under its app."""


class Subject(NamedTuple):
    """One model of the admin, as a link."""

    name: str
    path: str
    is_current: bool


@register.inclusion_tag("monitor/header.html", takes_context=True)
def site_header(context: Context) -> dict[str, Any]:
    """The header of every page, without what needs a socket."""
    request: HttpRequest = context["request"]
    user = request.user
    running = runtime()
    snapshot = running.hub.latest or Snapshot(host=plain(socket.gethostname()), seq=0, time=time.time())
    snapshot = msgspec.structs.replace(snapshot, alerts=running.open_alerts)
    picker = host_picker(running)
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "page": StillPage(as_seen(snapshot, request), "Settings"),
        "home_path": reverse("dashboard"),
        "is_admin": True,
        "picker": picker,
        "fleet_heading": picker.heading if picker else "",
        "is_known": user.is_authenticated,
        "user_name": user.get_username(),
        "has_session": user.is_authenticated and user.has_usable_password(),
    }


@register.simple_tag(takes_context=True)
def subjects(context: Context) -> list[tuple[str, list[Subject]]]:
    """The models that this user may view, in groups: those of the product first."""
    path = context["request"].path
    apps: Iterable[Mapping[str, Any]] = context.get("available_apps") or ()  # none on pages of somebody not logged in
    links = {
        model["object_name"]: Subject(model["name"], model["admin_url"], path.startswith(model["admin_url"]))
        for app in apps
        for model in app["models"]
        if model["admin_url"]
    }
    others = [(app["name"], [model["object_name"] for model in app["models"]]) for app in apps]
    grouped = [
        (group, [links.pop(name) for name in names if name in links]) for group, names in [*GROUPS.items(), *others]
    ]
    return [(group, found) for group, found in grouped if found]
