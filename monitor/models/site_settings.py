"""What an administrator has set in place of the defaults: one row, where a value that is null is not set here."""

from __future__ import annotations

from django.db import models

# Null and not "" for texts too (against Django's habit): in every column it says the same, "not set here".


class SiteSettings(models.Model):
    """The layer between `.env` and the defaults. Fields are named as in monitor/config/model.py, which also says what each
    one takes: a value is checked there, when it is set and again when it is read.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    poll_interval_ms = models.PositiveIntegerField("polling interval", null=True, blank=True)
    ws_max_rate_hz = models.PositiveIntegerField("broadcast rate", null=True, blank=True)
    log_level = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001
    enable_system_metrics = models.BooleanField("system metrics", null=True, blank=True)
    telemetry_provider = models.CharField("provider", max_length=16, null=True, blank=True)  # noqa: DJ001
    let_gpus_sleep = models.CharField("sleeping GPUs", max_length=16, null=True, blank=True)  # noqa: DJ001
    show_commands = models.CharField("command lines", max_length=16, null=True, blank=True)  # noqa: DJ001
    idle_held_memory_mib = models.PositiveIntegerField("idle holding: memory", null=True, blank=True)
    idle_held_utilization_percent = models.PositiveIntegerField("idle holding: utilization", null=True, blank=True)
    idle_held_minutes = models.PositiveIntegerField("idle holding: minutes", null=True, blank=True)
    alert_retention_days = models.PositiveIntegerField("keep alerts for", null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    """When a value was last saved (UTC)."""

    class Meta:
        verbose_name = "settings"
        verbose_name_plural = "settings"
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="monitor_sitesettings_is_one_row"),)

    def __str__(self) -> str:
        return "Settings"
