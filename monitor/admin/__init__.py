"""The Django admin of gpumon: one file a subject."""

from __future__ import annotations

from monitor.admin.site_settings import SiteSettingsAdmin

__all__ = ["SiteSettingsAdmin"]
