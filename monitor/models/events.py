"""The alert history: one row from the moment an alert fires, kept for the retention period of the settings."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from monitor.models.rules import SEVERITY_CHOICES, AlertRule


class AlertEvent(models.Model):
    """One alert of one rule and one subject, from firing until it has resolved. monitor/alerts/alert_rows.py makes it a
    `telemetry.schema.Alert`. Times of a replayed recording are the recording's, shifted to now.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.ForeignKey(AlertRule, on_delete=models.SET_NULL, null=True, related_name="events")
    rule_name = models.CharField("rule", max_length=100)
    rule_then = models.JSONField("rule at the time", default=dict)
    severity = models.CharField(max_length=10, choices=SEVERITY_CHOICES)
    state = models.CharField(max_length=10, choices=[("firing", "Firing"), ("resolved", "Resolved")], default="firing")

    host = models.CharField(max_length=255)
    host_id = models.CharField("host ID", max_length=32, blank=True, editable=False, db_index=True)
    """Of a host whose agent has joined; empty: the host that the server runs on."""
    subject = models.CharField(max_length=200, blank=True)
    gpu_uuid = models.CharField("GPU UUID", max_length=96, blank=True)
    gpu_index = models.PositiveIntegerField("GPU index", null=True)
    gpu_name = models.CharField("GPU name", max_length=200, blank=True)
    pid = models.PositiveBigIntegerField("PID", null=True)

    summary = models.CharField(max_length=500)
    detail = models.TextField(blank=True)
    metric = models.CharField(max_length=80, blank=True)
    threshold = models.FloatField(null=True)
    value = models.FloatField("value when fired", null=True)
    worst_value = models.FloatField(null=True)

    started_at = models.DateTimeField()
    fired_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_because = models.CharField(max_length=300, blank=True)

    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)
    told_at = models.DateTimeField("last notified at", null=True)
    """When a message about it was last put into the outbox."""

    class Meta:
        verbose_name = "alert"
        verbose_name_plural = "alerts"
        ordering = ("-fired_at",)
        permissions = (("acknowledge_alertevent", "Can acknowledge alerts"),)
        indexes = (
            models.Index(fields=("state", "severity"), name="monitor_event_state"),
            models.Index(fields=("-fired_at",), name="monitor_event_fired"),
        )

    def __str__(self) -> str:
        return self.summary
