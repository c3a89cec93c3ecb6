"""Hosts for the tests of the page of hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.fleet.host_summary import HostSummary, SummarizedSnapshot
from monitor.telemetry.schema import Alert, Gpu
from monitor.web.hosts.facts import HostFacts, facts_of
from tests.support.snapshots import host


def summary(name: str, *gpus: Gpu, driver: str = "580.1", **changes: Any) -> HostSummary:
    """A live host with these GPUs."""
    fields = SummarizedSnapshot(host(*gpus, driver_version=driver)).fields()
    if changes.get("stale"):
        fields["free_gpu_count"] = None
    given: dict[str, Any] = {
        "is_hub": False,
        "state": "active",
        "is_connected": True,
        "stale": False,
        "age_seconds": 0.4,
    }
    return HostSummary(host_id=name.encode().hex(), name=name, **{**fields, **given, **changes})


def facts(name: str, *gpus: Gpu, alerts: Sequence[Alert] = (), **changes: Any) -> HostFacts:
    """The facts about it."""
    return facts_of(summary(name, *gpus, **changes), alerts)
