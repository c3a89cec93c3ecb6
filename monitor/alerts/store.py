"""The engine's reads and writes in the database: it reads rules, and writes events and the state of each rule."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from django.db import transaction
from django.db.models import Count, Q

from monitor.alerts.alert_rows import as_time, columns_of, event_of, stored_rule
from monitor.models import AlertEvent, AlertPosition, AlertRule, AlertState, Delivery, SeenGpu
from monitor.rules.evaluation import Event
from monitor.rules.judge import Judge
from monitor.rules.rule import Rule
from monitor.rules.validation import BadRule, make
from monitor.shards import Shard
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


class HostJudge(NamedTuple):
    """A judge and the host that it judges."""

    host_id: str
    """Of a host whose agent has joined; empty: the host that the server runs on."""
    judge: Judge


class Dropped(NamedTuple):
    """Whose states are no longer needed."""

    rules: list[int]
    hosts: list[str]


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


def load_open_events() -> dict[str, list[Event]]:
    """Every alert that is still firing, by the host whose snapshots its rule was evaluated with."""
    rows = AlertEvent.objects.filter(state="firing").select_related("acknowledged_by").order_by("fired_at")
    found: dict[str, list[Event]] = {}
    for event in map(event_of, rows):
        host_id = "" if event.timed_by == "hub" else event.host_id or ""
        found.setdefault(host_id, []).append(event)
    return found


States = dict[int, dict[str, dict[str, Any]]]
"""Of one host: states by rule id and subject."""


def load_states() -> dict[str, States]:
    """What `save` stored, by host."""
    found: dict[str, States] = {}
    for host_id, rule_id, subject, state in AlertState.objects.values_list("host_id", "rule_id", "subject", "state"):
        found.setdefault(host_id, {}).setdefault(rule_id, {})[subject] = state
    return found


def load_positions() -> dict[str, int]:
    """Of the last snapshot from a stream that the stored events and states include, by host."""
    return dict(AlertPosition.objects.values_list("host_id", "position"))


def continued(judges: Iterable[Judge], stored: Mapping[int, Mapping[str, dict[str, Any]]]) -> States:
    """The stored states of these judges, if their rules are unchanged; their memory is restored in place."""
    found: States = {}
    for judge in judges:
        states = {**stored.get(judge.rule.id, {})}
        of_rule = states.pop(_OF_RULE, None)
        if of_rule is not None and stored_rule(of_rule["rule"]) == judge.rule:
            judge.memory = of_rule["memory"]
            found[judge.rule.id] = states
    return found


def save(
    events: Sequence[Event],
    judges: Sequence[HostJudge],
    dropped: Dropped,
    *,
    positions: Mapping[str, int],
    shard: Shard,
    enqueue: Enqueue,
    now: float,
) -> None:
    """Write events in order, their notifications, the states of these judges and the positions of hosts that these include, in one
    transaction.

    The states of what was dropped are deleted, of the hosts of this shard. `enqueue` is called for each event in the same
    transaction.
    Raises Django's database errors.
    """
    with transaction.atomic():
        known = set(
            AlertRule.objects.filter(
                id__in={*[event.rule_then.id for event in events], *[judge.rule.id for _, judge in judges]}
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
        _delete_states(judges, dropped, shard)
        AlertState.objects.bulk_create(
            AlertState(rule_id=judge.rule.id, host_id=host_id, subject=subject, state=state)
            for host_id, judge in judges
            if judge.rule.id in known
            for subject, state in {
                **judge.saved(),
                _OF_RULE: {"rule": msgspec.to_builtins(judge.rule), "memory": judge.memory},
            }.items()
        )
        AlertPosition.objects.bulk_create(
            [AlertPosition(host_id=host_id, position=position) for host_id, position in positions.items()],
            update_conflicts=True,
            unique_fields=("host_id",),
            update_fields=("position",),
        )


def _delete_states(judges: Iterable[HostJudge], dropped: Dropped, shard: Shard) -> None:
    if any(dropped):
        found = AlertState.objects.filter(Q(rule_id__in=dropped.rules) | Q(host_id__in=dropped.hosts))
        found.filter(**shard.lookups("host_id")).delete()
        AlertPosition.objects.filter(host_id__in=dropped.hosts).delete()
    by_host: dict[str, list[int]] = {}
    for host_id, judge in judges:
        by_host.setdefault(host_id, []).append(judge.rule.id)
    for host_id, rule_ids in by_host.items():
        AlertState.objects.filter(host_id=host_id, rule_id__in=rule_ids).delete()


def load_acknowledged(ids: Iterable[str]) -> dict[str, Acknowledged]:
    """The acknowledgements of these events."""
    rows = AlertEvent.objects.filter(id__in=list(ids), acknowledged_at__isnull=False).values_list(
        "id", "acknowledged_at", "acknowledged_by__username", "note"
    )
    return {str(id_): Acknowledged(at.timestamp(), by, note or None) for id_, at, by, note in rows if at is not None}


def load_times_since(moment: float) -> dict[tuple[int | None, str, str], int]:
    """How often each rule fired since that Unix time: by its id, the host's id and the subject."""
    rows = AlertEvent.objects.filter(fired_at__gte=as_time(moment)).order_by()
    counted = rows.values_list("rule_id", "host_id", "subject").annotate(times=Count("id"))
    return {(rule_id, host_id, subject): times for rule_id, host_id, subject, times in counted}


def remember_gpus(snapshot: Snapshot, host_id: str) -> None:
    """Store the GPUs of a snapshot, so that rules can name them later. One statement: hundreds of hosts can come at once."""
    SeenGpu.objects.bulk_create(
        {
            gpu.uuid: SeenGpu(
                uuid=gpu.uuid,
                host_id=host_id,
                name=gpu.name[:200],
                host=snapshot.host[:255],
                index=gpu.index,
                last_seen_at=as_time(snapshot.time),
            )
            for gpu in snapshot.gpus
        }.values(),
        update_conflicts=True,
        unique_fields=("uuid", "host_id"),
        update_fields=("name", "host", "index", "last_seen_at"),
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
