"""The settings of alerts: how long they are kept, and what is sent outside."""

from __future__ import annotations

from functools import partial

from pydantic_settings import BaseSettings

from monitor.config.declarations import setting
from monitor.config.values import HeartbeatUrl

alerts = partial(setting, group="Alerts")


class AlertSettings(BaseSettings):
    """A part of Config (monitor/config/model.py)."""

    alert_retention_days: int = alerts(
        90, "How long resolved alerts stay in the alert history, in days.", ge=1, le=3650, admin_label="Alert retention"
    )
    forbid_private_webhooks: bool = alerts(
        False,
        "Whether to send notifications to public addresses only, and never to this host, the local network or a cloud's "
        "metadata service. If false, only channels whose URL a superuser entered reach such addresses.",
    )
    heartbeat_url: HeartbeatUrl | None = alerts(
        None,
        "The URL that is requested every minute while readings are current and alerts can be saved, so that a service "
        "elsewhere, such as Healthchecks or Uptime Kuma, notices if this stops.",
        default_text="no heartbeat is sent",
    )
