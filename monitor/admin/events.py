"""Alerts of the past and those open now, to be searched. What is done about them is done on the alerts page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from monitor import formats
from monitor.models import AlertEvent


@admin.register(AlertEvent)
class AlertEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Nothing is added or changed here: events are written by the engine alone."""

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
    list_filter = ("state", "severity", ("acknowledged_at", admin.EmptyFieldListFilter), "fired_at", "rule", "host")
    search_fields = ("summary", "detail", "rule_name", "host", "gpu_uuid", "gpu_name", "note")
    date_hierarchy = "fired_at"
    ordering = ("-fired_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

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
