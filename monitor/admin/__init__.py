"""The Django admin of gpumon: one file a subject."""

from __future__ import annotations

from monitor.admin.channels import ChannelAdmin
from monitor.admin.deliveries import DeliveryAdmin
from monitor.admin.site_settings import SiteSettingsAdmin

__all__ = ["ChannelAdmin", "DeliveryAdmin", "SiteSettingsAdmin"]
