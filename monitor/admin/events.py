"""The alert history, read-only and searchable. Alerts are acknowledged on the alerts page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from monitor.admin.bounded import BoundedAdmin
from monitor.admin.filters import YesNoFilter
from monitor.alerts.alert_rows import alert_of
from monitor.models import AlertEvent
from monitor.rules.sentences import lasted

MOST_NAMED = 20
"""Firing alerts on the page that refuses to delete them."""


class _IsAcknowledged(YesNoFilter):
    title = "acknowledged"
    parameter_name = "acknowledged"

    def holds(self) -> Q:
        return Q(acknowledged_at__isnull=False)


@admin.register(AlertEvent)
class AlertEventAdmin(BoundedAdmin):
    """Only the engine writes events; here, resolved ones can be deleted."""

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
        """Keep firing alerts: deleted, they would stay on the pages without an acknowledgement or a message when they resolve."""
        deleted, counts, lacking, kept = super().get_deleted_objects(objs, request)
        found = objs if isinstance(objs, QuerySet) else AlertEvent.objects.filter(pk__in=[event.pk for event in objs])
        firing = found.filter(state="firing")
        named = [f"{event} (still firing: it can be deleted once it has resolved)" for event in firing[:MOST_NAMED]]
        if (more := firing.count() - len(named)) > 0:
            named.append(f"{more} more that still fire")
        return deleted, counts, lacking, [*kept, *named]

    @admin.display(description="rule's name at the time")
    def name_then(self, event: AlertEvent) -> str:
        """It stays if the rule is renamed or deleted."""
        return event.rule_name

    @admin.display(description="duration")
    def lasted(self, event: AlertEvent) -> str:
        """From firing until it resolved."""
        if event.resolved_at is None:
            return "open"
        return lasted(alert_of(event))

    @admin.display(description="acknowledged", boolean=True)
    def is_acknowledged(self, event: AlertEvent) -> bool:
        return event.acknowledged_at is not None
