"""Deletes records that are older than the settings keep them, a thousand at a time, so that nothing waits for it."""

from __future__ import annotations

from typing import Any

from django.db.models import Max, QuerySet

from monitor.models.usage import (
    UsageGpu,
    UsageHolder,
    UsageJournal,
    UsagePeriod,
    UsageProcess,
    UsageShare,
    UsageSlice,
    UsageSpan,
)
from monitor.usage.ribbons import SPAN_DAYS
from monitor.usage.store import OWN

PRUNED_ROWS = 1000
"""Of a table at a time: a few milliseconds."""
MOST_PROCESSES = 500_000
"""Rows, about 150 MB; beyond that, the oldest are deleted."""
_DAY = 86_400


def prune(now: float, *, days: float, process_days: float) -> bool:
    """Delete some of what is too old. Says whether there may be more. Raises DatabaseError."""
    before, processes_before = int(now - days * _DAY), now - process_days * _DAY
    newest = UsageProcess.objects.aggregate(newest=Max("pk"))["newest"] or 0
    too_old: list[QuerySet[Any]] = [
        UsageSlice.objects.filter(start__lt=before).order_by("start"),
        UsageShare.objects.filter(start__lt=before).order_by("start"),
        UsageProcess.objects.filter(last_at__lt=processes_before).order_by("last_at"),
        UsageProcess.objects.filter(pk__lte=newest - MOST_PROCESSES).order_by("pk"),
        UsageSpan.objects.filter(end__lt=int(now - SPAN_DAYS * _DAY)).order_by("end"),
    ]
    deleted = [_delete_some(rows) for rows in too_old]
    if any(deleted):
        return True
    UsagePeriod.objects.filter(end__lt=before).delete()
    UsagePeriod.objects.filter(start__lt=before).update(start=before)
    for journal in (
        UsageJournal.objects.exclude(host_id=OWN).filter(until__lt=before).defer("data")
    ):  # of hosts that are gone
        UsagePeriod.objects.filter(gpu__host_id=journal.host_id, end=None).update(end=journal.until)
        journal.delete()
    UsageHolder.objects.filter(last_at__lt=min(before, processes_before)).delete()
    UsageGpu.objects.filter(periods=None).delete()
    return False


def _delete_some(rows: QuerySet[Any]) -> int:
    found = list(rows.values_list("pk", flat=True)[:PRUNED_ROWS])
    return rows.model._default_manager.filter(pk__in=found).delete()[0] if found else 0
