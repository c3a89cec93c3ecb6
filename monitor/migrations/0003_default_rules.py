"""The default rules of a new installation. Later migrations change nothing in them that an administrator has edited."""

from __future__ import annotations

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

RULES: tuple[dict[str, Any], ...] = (
    {
        "name": "Above slowdown temperature",
        "severity": "critical",
        "kind": "threshold",
        "metric": "gpu.temperature_celsius",
        "comparator": ">=",
        "threshold": 0,
        "clear_threshold": -3,
        "relative_to": "slowdown_temperature_celsius",
        "for_seconds": 30,
        "clear_for_seconds": 30,
    },
    {
        "name": "Thermal throttling",
        "severity": "warning",
        "kind": "throttled",
        "throttle": "thermal",
        "for_seconds": 60,
        "clear_for_seconds": 60,
    },
    {
        "name": "GPU memory nearly full",
        "severity": "info",
        "kind": "threshold",
        "metric": "gpu.memory_used_percent",
        "comparator": ">=",
        "threshold": 98,
        "clear_threshold": 95,
        "for_seconds": 300,
        "clear_for_seconds": 60,
    },
    {"name": "GPU lost", "severity": "critical", "kind": "gpu_lost", "for_seconds": 0, "clear_for_seconds": 10},
    {
        "name": "Fewer GPUs than before",
        "severity": "critical",
        "kind": "gpu_count_fell",
        "for_seconds": 30,
        "clear_for_seconds": 10,
    },
    {
        "name": "Readings are stale",
        "severity": "warning",
        "kind": "stale",
        "threshold": 30,
        "for_seconds": 0,
        "clear_for_seconds": 10,
    },
    {
        "name": "Xid error",
        "severity": "critical",
        "kind": "xid",
        # Codes that a faulty program can cause, and the end of a program.
        "ignored_xids": "13, 31, 43, 45",
        "for_seconds": 0,
        "clear_for_seconds": 900,
    },
    {
        "name": "Uncorrected ECC error",
        "severity": "critical",
        "kind": "rise",
        "metric": "gpu.ecc_uncorrected_aggregate",
        "threshold": 1,
        "for_seconds": 0,
        "clear_for_seconds": 3600,
    },
    {
        "name": "Memory row remapped",
        "severity": "warning",
        "kind": "rise",
        "metric": "gpu.remapped_rows_uncorrected",
        "threshold": 1,
        "for_seconds": 0,
        "clear_for_seconds": 3600,
    },
    {"name": "Idle GPU memory", "severity": "info", "kind": "idle_held", "clear_for_seconds": 60},
    {
        "name": "Dead process holds GPU memory",
        "severity": "warning",
        "kind": "process_gone",
        "for_seconds": 60,
        "clear_for_seconds": 0,
    },
    {
        "name": "Host memory nearly full",
        "severity": "warning",
        "kind": "threshold",
        "metric": "system.memory_used_percent",
        "comparator": ">=",
        "threshold": 95,
        "clear_threshold": 90,
        "for_seconds": 120,
        "clear_for_seconds": 60,
    },
)


def add(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Once, into an empty table: rules that an administrator deletes or renames do not come back."""
    rule = apps.get_model("monitor", "AlertRule")
    for fields in RULES:
        rule.objects.create(**fields)


class Migration(migrations.Migration):
    dependencies = [("monitor", "0002_alerts")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
