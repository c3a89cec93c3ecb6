"""Notifications that people switched off for a while, for one GPU of a rule or until its alerts resolve."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from monitor.models.rules import AlertRule

HUB = "hub"
"""Stands for the host that the server runs on; no host id is like it."""


class Snooze(models.Model):
    """One for each rule and GPU or host. For everything until a moment, the rule itself is muted (AlertRule.muted_until)."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="snoozes")
    gpu_uuid = models.CharField(max_length=96, blank=True)
    """Empty: for all GPUs, and for rules about the host."""
    host_id = models.CharField(max_length=32, blank=True)
    """One host with all its GPUs, by its id or HUB; empty: all hosts, or the GPU wherever it is."""
    until = models.DateTimeField(null=True)
    """Null: until the alerts that it applies to have resolved."""
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    """Null: by the link of a message."""

    class Meta:
        default_permissions = ()  # the permission to mute the rule is enough
        constraints = (models.UniqueConstraint(fields=("rule", "gpu_uuid", "host_id"), name="monitor_snooze_one_each"),)

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.gpu_uuid or self.host_id or 'all GPUs'}"
