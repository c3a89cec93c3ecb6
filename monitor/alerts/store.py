"""The engine's reads and writes in the database: it reads rules, and writes events and the state of each rule."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from django.db import transaction
from django.db.models import Count

from monitor.alerts.alert_rows import as_time, columns_of, event_of, stored_rule
from monitor.models import AlertEvent, AlertRule, AlertState, Delivery, SeenGpu
from monitor.rules.evaluation import Event
from monitor.rules.judge import Judge
from monitor.rules.rule import Rule
from monitor.rules.validation import BadRule, make
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

_OF_RULE = "#"
"""The subject of the row that has a rule's memory. No real subject has this name."""


class Enqueue(Protocol):
    """Puts messages about an event into the outbox, within the transaction that writes the event."""

    def __call__(self, event: AlertEvent, *, now: dt.datetime) -> object: ...


class RuleRow(NamedTuple):
    """A rule and its row, which says where and when to notify."""

    rule: Rule
    row: AlertRule


class Acknowledged(NamedTuple):
    """Who acknowledged an alert, and when (Unix seconds)."""

    at: float
    by: str | None
    note: str | None


def revision() -> tuple[Any, ...]:
    """Changes when a rule is added, deleted or saved. One query."""
    return tuple(AlertRule.objects.order_by("id").values_list("id", "updated_at"))


def load_rules(limits: IdleLimits) -> dict[int, RuleRow]:
    """The enabled rules by id. An invalid one (written past the admin) is logged and left out."""
    found = {}
    for row in AlertRule.objects.filter(is_enabled=True).prefetch_related("gpus", "snoozes"):
        try:
            rule = make(row.given(), limits)
        except BadRule as error:
            log.error("skipping the invalid alert rule %r: %s", row.name, error)
            continue
        found[rule.id] = RuleRow(rule, row)
    return found


def load_open_events() -> list[Event]:
    """Every alert that is still firing."""
    return [
        event_of(row)
        for row in AlertEvent.objects.filter(state="firing").select_related("acknowledged_by").order_by("fired_at")
    ]


def load_states(judges: Iterable[Judge]) -> dict[int, dict[str, dict[str, Any]]]:
    """The states that `save` stored for these judges, if their rules are unchanged; their memory is restored in place."""
    by_rule: dict[int, dict[str, Any]] = {}
    for rule_id, subject, state in AlertState.objects.values_list("rule_id", "subject", "state"):
        by_rule.setdefault(rule_id, {})[subject] = state
    found = {}
    for judge in judges:
        states = by_rule.get(judge.rule.id, {})
        of_rule = states.pop(_OF_RULE, None)
        if of_rule is not None and stored_rule(of_rule["rule"]) == judge.rule:
            judge.memory = of_rule["memory"]
            found[judge.rule.id] = states
    return found


def save(
    events: Sequence[Event], judges: Sequence[Judge], dropped: Sequence[int], *, enqueue: Enqueue, now: float
) -> None:
    """Write events in order, their notifications and the states of these judges, in one transaction.

    The states of `dropped` rules (ids) are deleted. `enqueue` is called for each event in the same transaction.
    Raises Django's database errors.
    """
    with transaction.atomic():
        known = set(
            AlertRule.objects.filter(
                id__in={*[event.rule_then.id for event in events], *[judge.rule.id for judge in judges]}
            ).values_list("id", flat=True)
        )
        for event in events:
            rule_id = event.rule_then.id if event.rule_then.id in known else None
            columns = {**columns_of(event), "rule_id": rule_id}
            rule_then = msgspec.to_builtins(event.rule_then)
            row, _ = AlertEvent.objects.update_or_create(
                id=event.id, defaults=columns, create_defaults={**columns, "rule_then": rule_then}
            )
            enqueue(row, now=as_time(now))
        kept = [judge for judge in judges if judge.rule.id in known]
        AlertState.objects.filter(rule_id__in=[*dropped, *[judge.rule.id for judge in judges]]).delete()
        AlertState.objects.bulk_create(
            AlertState(rule_id=judge.rule.id, subject=subject, state=state)
            for judge in kept
            for subject, state in {
                **judge.saved(),
                _OF_RULE: {"rule": msgspec.to_builtins(judge.rule), "memory": judge.memory},
            }.items()
        )


def load_acknowledged(ids: Iterable[str]) -> dict[str, Acknowledged]:
    """The acknowledgements of these events."""
    rows = AlertEvent.objects.filter(id__in=list(ids), acknowledged_at__isnull=False).values_list(
        "id", "acknowledged_at", "acknowledged_by__username", "note"
    )
    return {str(id_): Acknowledged(at.timestamp(), by, note or None) for id_, at, by, note in rows if at is not None}


def load_times_since(moment: float) -> dict[tuple[int | None, str, str], int]:
    """How often each rule fired since that Unix time: by its id, the host and the subject."""
    rows = AlertEvent.objects.filter(fired_at__gte=as_time(moment)).order_by()
    counted = rows.values_list("rule_id", "host", "subject").annotate(times=Count("id"))
    return {(rule_id, host, subject): times for rule_id, host, subject, times in counted}


def remember_gpus(snapshot: Snapshot) -> None:
    """Store the GPUs of a snapshot, so that rules can name them later."""
    for gpu in snapshot.gpus:
        SeenGpu.objects.update_or_create(
            uuid=gpu.uuid,
            defaults={
                "name": gpu.name[:200],
                "host": snapshot.host[:255],
                "index": gpu.index,
                "last_seen_at": as_time(snapshot.time),
            },
        )


def forget_before(now: float, *, days: float) -> int:
    """Delete alerts that resolved, and messages sent, more than `days` ago. Returns the number of deleted alerts.

    Messages about firing alerts stay: they show which channels need the message that it resolved.
    """
    before = as_time(now - days * 86_400)
    old = Delivery.objects.filter(status__in=("sent", "failed"), created_at__lt=before)
    old.exclude(events__state="firing").exclude(parts__events__state="firing").delete()
    _, counts = AlertEvent.objects.filter(state="resolved", resolved_at__lt=before).delete()
    return counts.get("monitor.AlertEvent", 0)
