"""Alerts of the past and those open now, to be searched. What is done about them is done on the alerts page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from monitor import formats
from monitor.admin.filters import YesNoFilter
from monitor.models import AlertEvent


class _IsAcknowledged(YesNoFilter):
    title = "acknowledged"
    parameter_name = "acknowledged"

    def holds(self) -> Q:
        return Q(acknowledged_at__isnull=False)


@admin.register(AlertEvent)
class AlertEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Nothing is added or changed here: events are written by the engine alone. Those of the past may be deleted."""

    list_display = (
        "summary",
        "severity",
        "state",
        "rule_name",
        "host",
        "gpu_index",
        "fired_at",
        "lasted",
        "is_acknowledged",
    )
    list_filter = ("state", "severity", _IsAcknowledged, "fired_at", "rule", "host")
    search_fields = ("summary", "detail", "rule_name", "host", "gpu_uuid", "gpu_name", "note")
    date_hierarchy = "fired_at"
    ordering = ("-fired_at",)
    fields = (
        "summary",
        "detail",
        "severity",
        "state",
        "rule",
        "name_then",
        "rule_then",
        "host",
        "gpu_index",
        "gpu_name",
        "gpu_uuid",
        "pid",
        "metric",
        "threshold",
        "value",
        "worst_value",
        "started_at",
        "fired_at",
        "resolved_at",
        "resolved_because",
        "acknowledged_at",
        "acknowledged_by",
        "note",
        "told_at",
    )
    readonly_fields = ("name_then",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What still fires is kept: it would go on on the pages, with nothing to acknowledge and no message of its end."""
        deleted, counts, lacking, kept = super().get_deleted_objects(objs, request)
        firing = [
            f"{event} (fires still: it can be deleted once it is over)" for event in objs if event.state == "firing"
        ]
        return deleted, counts, lacking, [*kept, *firing]

    @admin.display(description="the rule's name then")
    def name_then(self, event: AlertEvent) -> str:
        """Which stays where the rule has another one by now, or is gone."""
        return event.rule_name

    @admin.display(description="lasted")
    def lasted(self, event: AlertEvent) -> str:
        """From firing to its end."""
        if event.resolved_at is None:
            return "open"
        return formats.duration((event.resolved_at - event.fired_at).total_seconds())

    @admin.display(description="acknowledged", boolean=True)
    def is_acknowledged(self, event: AlertEvent) -> bool:
        """Whether somebody has seen to it."""
        return event.acknowledged_at is not None
