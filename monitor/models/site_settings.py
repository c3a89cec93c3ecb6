"""What administrators have set: one row."""

from __future__ import annotations

from django.db import models


class SiteSettings(models.Model):
    """The layer between `.env` and the defaults. monitor/config/groups/ declares the settings and validates their values, when
    they are saved and again when they are read.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    overrides = models.JSONField(default=dict, blank=True)
    """Values by the settings' names, as JSON. A setting that is not in it has its default."""
    updated_at = models.DateTimeField(auto_now=True)
    """When a value was last saved (UTC)."""

    class Meta:
        verbose_name = "settings"
        verbose_name_plural = "settings"
        permissions = (("view_commands", "Can view the full command lines of GPU processes"),)
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="monitor_sitesettings_is_one_row"),)

    def __str__(self) -> str:
        return "Settings"
