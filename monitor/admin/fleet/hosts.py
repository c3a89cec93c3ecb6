"""Hosts in the admin: add one by a code that is shown once, rename, tag, retire, revoke, and replace a reinstalled one."""

from __future__ import annotations

import logging
import shlex
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from monitor.admin.bounded import BoundedAdmin, delete_selected
from monitor.admin.fleet.host_form import HostForm, NewCodeForm
from monitor.config.hosts import is_loopback
from monitor.fleet import registry
from monitor.fleet.host_summary import HostSummary
from monitor.fleet.live_host import MOST_OFFSET_SECONDS
from monitor.models import FleetHost
from monitor.runtime.process import runtime

State = FleetHost.State
log = logging.getLogger(__name__)


@admin.register(FleetHost)
class FleetHostAdmin(BoundedAdmin):
    """Agents add the rows; administrators make the codes for that."""

    form = HostForm
    change_form_template = "admin/monitor/fleethost/change_form.html"
    list_display = ("name", "tag_list", "state", "connection", "agent_version", "last_seen_at", "clock", "trouble")
    list_filter = ("state", "agent_version")
    search_fields = ("name", "host_id")
    fields = ("name", "tags", "state", "connection", "trouble", "host_id", "key", "joined_at", "last_seen_at", "agent_version",
              "driver_version", "clock")  # fmt: skip
    readonly_fields = ("connection", "trouble", "host_id", "key", "joined_at", "last_seen_at", "agent_version", "driver_version",
                       "clock")  # fmt: skip
    actions = (delete_selected, "revoke_chosen")

    # ── What is shown ─────────────────────────────────────────────────────────────────────────────────────────────────

    @admin.display(description="tags")
    def tag_list(self, host: FleetHost) -> str:
        return ", ".join(host.tags)

    @admin.display(description="agent")
    def connection(self, host: FleetHost) -> str:
        """Whether it is connected, and its readings are current."""
        live = _live(host)
        if live is None or not live.is_connected:
            return "not connected"
        return f"connected; {live.stale_reason}" if live.stale_reason else "connected"

    @admin.display(description="clock")
    def clock(self, host: FleetHost) -> str:
        """The offset, if it matters."""
        live = _live(host)
        seconds = live.clock_offset_seconds if live and live.is_connected else host.clock_offset_seconds
        if seconds is None or abs(seconds) < MOST_OFFSET_SECONDS:
            return "unknown" if seconds is None else "agrees"
        return f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"

    @admin.display(description="problem")
    def trouble(self, host: FleetHost) -> str:
        live = _live(host)
        return (live.problem or "") if live and live.is_connected else host.problem

    @admin.display(description="key")
    def key(self, host: FleetHost) -> str:
        return f"{host.key_prefix}…" if host.key_prefix else "none"

    # ── Adding: a code ────────────────────────────────────────────────────────────────────────────────────────────────

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a name, then show the line for the other host. It is in this response only."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewCodeForm(request.POST or None)
        context = {**self.admin_site.each_context(request), "title": "Add a host", "opts": self.opts, "form": form}
        if request.method == "POST" and form.is_valid():
            code = registry.make_code(
                name=form.cleaned_data["name"],
                created_by=request.user,  # type: ignore[arg-type]  # the admin's users are logged in
                now=timezone.now(),
            )
            log.info("%s has made a code with which a host can join", request.user.get_username())
            address = _own_address(request)
            host = urlsplit(address).hostname or ""
            context |= {
                "line": f"gpumon agent --hub {shlex.quote(address)} --code {code}",
                "only_here": host if is_loopback(host) else "",
            }
        return TemplateResponse(request, "admin/monitor/fleethost/add.html", context)

    # ── Changing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def get_urls(self) -> list[URLPattern]:
        """The admin's pages and the Replace button."""
        replace = path(
            "<path:object_id>/replace/", self.admin_site.admin_view(self.replace), name="monitor_fleethost_replace"
        )
        return [replace, *super().get_urls()]

    def replace(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A reinstalled host takes the place of the one with the same machine."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        host = self.get_object(request, object_id)
        if host is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        if host.state != State.PENDING:
            self.message_user(request, f"{host.name} does not wait to replace a host.", messages.WARNING)
        else:
            registry.replace(host)
            self.log_change(request, host, "Replaced the host with the same machine.")
            self.message_user(request, f"{host.name} is the reinstalled host now; its agent connects within a minute.")
        return redirect("admin:monitor_fleethost_change", host.pk)

    @admin.action(description="Revoke selected %(verbose_name_plural)s", permissions=["change"])
    def revoke_chosen(self, request: HttpRequest, chosen: QuerySet[FleetHost]) -> None:
        """The keys are refused from now on, and open connections end."""
        for host in chosen:  # saved one by one: the signal of each ends its connection
            host.state = State.REVOKED
            host.save(update_fields=["state"])
            self.log_change(request, host, "Revoked.")
        names = ", ".join(host.name for host in chosen)
        self.message_user(request, f"Revoked: {names}. To join again, they need a new code.", messages.SUCCESS)


def _live(host: FleetHost) -> HostSummary | None:
    return runtime().fleet.named(host.host_id)


def _own_address(request: HttpRequest) -> str:
    """Of this server, as other hosts reach it."""
    opened = request.build_absolute_uri(f"{request.META['SCRIPT_NAME']}/")
    return (runtime().config.public_url or opened).rstrip("/")
