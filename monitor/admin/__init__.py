"""The Django admin, one file per model."""

from __future__ import annotations

from django.contrib import admin

from monitor.admin.api_tokens import ApiTokenAdmin
from monitor.admin.channels import ChannelAdmin
from monitor.admin.deliveries import DeliveryAdmin
from monitor.admin.events import AlertEventAdmin
from monitor.admin.fleet.hosts import FleetHostAdmin
from monitor.admin.gpus import SeenGpuAdmin
from monitor.admin.rules import AlertRuleAdmin
from monitor.admin.site_settings import SiteSettingsAdmin
from monitor.admin.users import MonitorGroupAdmin, MonitorUserAdmin
from monitor.admin.view_links import ViewLinkAdmin

admin.site.empty_value_display = "—"  # as on the other pages

__all__ = [
    "AlertEventAdmin",
    "AlertRuleAdmin",
    "ApiTokenAdmin",
    "ChannelAdmin",
    "DeliveryAdmin",
    "FleetHostAdmin",
    "MonitorGroupAdmin",
    "MonitorUserAdmin",
    "SeenGpuAdmin",
    "SiteSettingsAdmin",
    "ViewLinkAdmin",
]
