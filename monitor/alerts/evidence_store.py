"""The evidence of alerts in the database."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from monitor.alerts.alert_rows import as_time, event_of
from monitor.alerts.evidence import AFTER_SECONDS, Evidence, UnreadableEvidence, pack, unpack
from monitor.models import AlertEvent, AlertEvidence
from monitor.rules.evaluation import Event

log = logging.getLogger(__name__)


def save(found: Mapping[str, Evidence]) -> None:
    """Write the evidence of alerts, by their ids, in one transaction. Alerts that were deleted meanwhile are skipped."""
    rows = {id_: pack(evidence) for id_, evidence in found.items()}
    with transaction.atomic():
        there = AlertEvent.objects.filter(id__in=rows).values_list("id", flat=True)
        AlertEvidence.objects.bulk_create(
            [AlertEvidence(event_id=id_, data=rows[str(id_)]) for id_ in there],
            update_conflicts=True,
            unique_fields=["event"],
            update_fields=["data"],
        )


def load_unfinished(now: float) -> list[tuple[Event, Evidence]]:
    """What a previous run began and could not finish, the oldest alert first. `now`: Unix seconds."""
    recent = AlertEvidence.objects.filter(event__fired_at__gt=as_time(now - AFTER_SECONDS))
    found = []
    for row in recent.select_related("event", "event__acknowledged_by").order_by("event__fired_at"):
        try:
            found.append((event_of(row.event), unpack(bytes(row.data))))
        except UnreadableEvidence as error:
            log.warning("%s: %s", row.event, error)
    return found


def load(event_id: UUID) -> Evidence | None:
    """The evidence of one alert; None if it has none. Raises UnreadableEvidence."""
    row = AlertEvidence.objects.filter(pk=event_id).first()
    return None if row is None else unpack(bytes(row.data))
