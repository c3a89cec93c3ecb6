"""What is kept in the database: one file a subject."""

from __future__ import annotations

from monitor.models.api_tokens import ApiToken
from monitor.models.channels import Channel, Delivery
from monitor.models.events import AlertEvent
from monitor.models.evidence import AlertEvidence
from monitor.models.fleet import FleetHost, JoinCode
from monitor.models.history import HistoryChunk, HistoryGap, HistorySource
from monitor.models.rules import AlertPosition, AlertRule, AlertState, SeenGpu
from monitor.models.site_settings import SiteSettings
from monitor.models.snoozes import Snooze
from monitor.models.usage import (
    UsageGpu,
    UsageHolder,
    UsageJournal,
    UsagePeriod,
    UsageProcess,
    UsageShare,
    UsageSlice,
    UsageSpan,
    UsageUser,
)
from monitor.models.view_links import ViewLink

__all__ = [
    "AlertEvent",
    "AlertEvidence",
    "AlertPosition",
    "AlertRule",
    "AlertState",
    "ApiToken",
    "Channel",
    "Delivery",
    "FleetHost",
    "HistoryChunk",
    "HistoryGap",
    "HistorySource",
    "JoinCode",
    "SeenGpu",
    "SiteSettings",
    "Snooze",
    "UsageGpu",
    "UsageHolder",
    "UsageJournal",
    "UsagePeriod",
    "UsageProcess",
    "UsageShare",
    "UsageSlice",
    "UsageSpan",
    "UsageUser",
    "ViewLink",
]
