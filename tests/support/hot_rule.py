"""The rule that tests of the admin make, edit and try: warns of 90 °C."""

from __future__ import annotations

from typing import Any

from monitor.models import AlertRule

LIST = "/admin/monitor/alertrule/"
ADD = f"{LIST}add/"
HOT = {
    "name": "Hot",
    "is_enabled": "on",
    "severity": "warning",
    "kind": "threshold",
    "metric": "gpu.temperature_celsius",
    "comparator": ">=",
    "threshold": "90",
    "mig": "any",
}
"""As its form is sent."""


def hot(**changes: Any) -> AlertRule:
    """It, saved."""
    values = {"name": "Hot", "metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90, **changes}
    return AlertRule.objects.create(**values)
