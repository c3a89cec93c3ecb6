"""What the engine keeps in the database: rules come from it, events and what is remembered of each rule go to it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from django.db import transaction

from monitor.alerts.rule_rows import given_of
from monitor.models import AlertEvent, AlertRule, AlertState, Delivery, SeenGpu
from monitor.rules.evaluation import Event
from monitor.rules.judge import Judge
from monitor.rules.making import BadRule, Rule, make
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

_OF_RULE = "#"
"""The row of a rule that holds what it remembers besides its subjects. No subject is called so."""


class Tell(Protocol):
    """Puts messages about an event into the outbox, within the transaction that writes the event."""

    def __call__(self, event: AlertEvent, *, now: dt.datetime) -> object: ...


class IdleLimits(NamedTuple):
    """When memory counts as held idly, where a rule leaves it to the settings."""

    memory_mib: float
    utilization_percent: float
    minutes: float


class RuleRow(NamedTuple):
    """A rule, and its row: whom it tells, and when it tells nobody."""

    rule: Rule
    row: AlertRule


class Acknowledged(NamedTuple):
    """Who has seen an alert, and when (Unix seconds)."""

    at: float
    by: str | None


def as_time(seconds: float) -> dt.datetime:
    """Unix seconds as Django keeps them."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def revision() -> tuple[Any, ...]:
    """Differs from the last one when a rule was added, deleted or saved. One query."""
    return tuple(AlertRule.objects.order_by("id").values_list("id", "updated_at"))


def load_rules(limits: IdleLimits) -> dict[int, RuleRow]:
    """The enabled rules by id. One that makes no sense (written past the admin) is left out, and the log says why."""
    found = {}
    for row in AlertRule.objects.filter(is_enabled=True).prefetch_related("gpus"):
        try:
            rule = make(
                given_of(row),
                held_memory_mib=limits.memory_mib,
                held_percent=limits.utilization_percent,
                held_minutes=limits.minutes,
            )
        except BadRule as error:
            log.error("the alert rule %r is not judged: %s", row.name, error)
            continue
        found[rule.id] = RuleRow(rule, row)
    return found


def load_open_events() -> list[Event]:
    """Everything that fired and has not ended."""
    return [_event(row) for row in AlertEvent.objects.filter(state="firing").order_by("fired_at")]


def load_states(judges: Iterable[Judge]) -> dict[int, dict[str, dict[str, Any]]]:
    """What `save` kept of these judges' rules. Their memory is given back to them; states only if the rule is still the same."""
    by_rule: dict[int, dict[str, Any]] = {}
    for rule_id, subject, state in AlertState.objects.values_list("rule_id", "subject", "state"):
        by_rule.setdefault(rule_id, {})[subject] = state
    found = {}
    for judge in judges:
        states = by_rule.get(judge.rule.id, {})
        of_rule = states.pop(_OF_RULE, None)
        if of_rule is not None and _rule_then(of_rule["rule"]) == judge.rule:
            judge.memory = of_rule["memory"]
            found[judge.rule.id] = states
    return found


def save(events: Sequence[Event], judges: Sequence[Judge], dropped: Sequence[int], *, tell: Tell, now: float) -> None:
    """Write events in their order, messages about them beside them, and what is remembered of these judges: all or nothing.

    Of `dropped` rules (ids) nothing is remembered any more. `tell` is called for each event in the same transaction.
    Raises Django's database errors.
    """
    with transaction.atomic():
        known = set(
            AlertRule.objects.filter(
                id__in={*[event.rule.id for event in events], *[judge.rule.id for judge in judges]}
            ).values_list("id", flat=True)
        )
        for event in events:
            row, _ = AlertEvent.objects.update_or_create(id=event.id, defaults=_columns(event, known))
            tell(row, now=as_time(now))
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
    """Which of these events somebody has acknowledged."""
    rows = AlertEvent.objects.filter(id__in=list(ids), acknowledged_at__isnull=False).values_list(
        "id", "acknowledged_at", "acknowledged_by__username"
    )
    return {str(id_): Acknowledged(at.timestamp(), by) for id_, at, by in rows if at is not None}


def remember_gpus(snapshot: Snapshot) -> None:
    """Keep the GPUs of a snapshot, so that rules can name them later."""
    for gpu in snapshot.gpus:
        SeenGpu.objects.update_or_create(
            uuid=gpu.uuid,
            defaults={
                "name": gpu.name,
                "host": snapshot.host,
                "index": gpu.index,
                "last_seen_at": as_time(snapshot.time),
            },
        )


def forget_before(now: float, *, days: float) -> int:
    """Delete what ended more than so many days ago, and messages sent before. Answers how many events went.

    Messages about what still fires stay: by them it is known who is to be told of its end.
    """
    before = as_time(now - days * 86_400)
    old = Delivery.objects.filter(status__in=("sent", "failed"), created_at__lt=before)
    old.exclude(events__state="firing").exclude(parts__events__state="firing").delete()
    _, counts = AlertEvent.objects.filter(state="resolved", resolved_at__lt=before).delete()
    return counts.get("monitor.AlertEvent", 0)


def _columns(event: Event, known_rules: set[int]) -> dict[str, Any]:
    is_over = event.resolved_at is not None
    return {
        "rule_id": event.rule.id if event.rule.id in known_rules else None,
        "rule_name": event.rule.name,
        "rule_then": msgspec.to_builtins(event.rule),
        "severity": event.rule.severity,
        "state": "resolved" if is_over else "firing",
        "host": event.host,
        "subject": event.subject,
        "gpu_uuid": event.gpu_uuid,
        "gpu_index": event.gpu_index,
        "gpu_name": event.gpu_name,
        "pid": event.pid,
        "summary": event.summary[:500],
        "detail": event.detail,
        "metric": event.metric,
        "threshold": event.threshold,
        "value": event.value,
        "worst_value": event.worst_value,
        "started_at": as_time(event.started_at),
        "fired_at": as_time(event.fired_at),
        "resolved_at": as_time(event.resolved_at) if event.resolved_at is not None else None,
        "resolved_because": event.resolved_because[:300],
    }


def _event(row: AlertEvent) -> Event:
    rule = _rule_then(row.rule_then) or Rule(id=row.rule_id or 0, name=row.rule_name, kind="threshold")
    return Event(
        id=str(row.id),
        rule=rule,
        host=row.host,
        subject=row.subject,
        gpu_uuid=row.gpu_uuid,
        gpu_index=row.gpu_index,
        gpu_name=row.gpu_name,
        pid=row.pid,
        summary=row.summary,
        detail=row.detail,
        metric=row.metric,
        threshold=row.threshold,
        value=row.value,
        worst_value=row.worst_value,
        started_at=row.started_at.timestamp(),
        fired_at=row.fired_at.timestamp(),
    )


def _rule_then(kept: Any) -> Rule | None:
    """A rule as it was; None where another version of this program wrote it and it means nothing here."""
    try:
        return msgspec.convert(kept, Rule)
    except msgspec.ValidationError:
        return None
