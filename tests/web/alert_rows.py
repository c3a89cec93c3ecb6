"""Events in the database, for the tests of the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.models import AlertEvent

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def event(minutes: float = 0, **changes: Any) -> AlertEvent:
    """An event that fired `minutes` before noon and was resolved two minutes later."""
    fired = NOON - timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "rule_name": "Memory nearly full",
        "rule_then": {"id": 1, "name": "Memory nearly full", "kind": "threshold"},
        "severity": "warning",
        "state": "resolved",
        "host": "dgx",
        "gpu_uuid": "GPU-5",
        "gpu_index": 5,
        "gpu_name": "NVIDIA H100",
        "summary": "Memory of GPU 5 is nearly full",
        "metric": "gpu.memory_used_percent",
        "threshold": 95.0,
        "value": 96.0,
        "worst_value": 99.0,
        "started_at": fired - timedelta(seconds=30),
        "fired_at": fired,
        "resolved_at": fired + timedelta(minutes=2),
    }
    if changes.get("state") == "firing":
        values["resolved_at"] = None
    return AlertEvent.objects.create(**{**values, **changes})
