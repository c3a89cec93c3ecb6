"""The rule that tests of the admin create, edit and preview: warns at 90 °C."""

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
"""The form's data for this rule."""


def hot(**changes: Any) -> AlertRule:
    """The rule, saved."""
    values = {"name": "Hot", "metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90, **changes}
    return AlertRule.objects.create(**values)
