"""What is kept with an alert about its surroundings."""

from __future__ import annotations

from django.db import models

from monitor.models.events import AlertEvent


class AlertEvidence(models.Model):
    """The evidence of one alert; it goes with the alert. monitor/alerts/evidence.py defines what `data` holds."""

    event = models.OneToOneField(AlertEvent, on_delete=models.CASCADE, primary_key=True, related_name="evidence")
    data = models.BinaryField()

    class Meta:
        verbose_name = "piece of evidence"
        verbose_name_plural = "pieces of evidence"
        default_permissions = ()

    def __str__(self) -> str:
        return f"evidence of {self.event_id}"
