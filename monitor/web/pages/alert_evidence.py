"""What an alert's page shows beside the alert itself: its evidence, what happened when, and the alerts around it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from monitor import formats
from monitor.access.visitor import Visitor
from monitor.alerts import evidence_store
from monitor.alerts.alert_rows import alert_of, stored_rule
from monitor.alerts.evidence import AFTER_SECONDS, BEFORE_SECONDS, Evidence, SeenXid, UnreadableEvidence
from monitor.models import AlertEvent
from monitor.rules.kinds.registry import KINDS
from monitor.rules.xids import meaning_of
from monitor.telemetry import redaction
from monitor.telemetry.host.processes import without_commands
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web.components.evidence_charts import EvidenceChart, Recorded, charts_of
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.process_table import COLUMNS, Column, Row
from monitor.web.pages.alert_history import PastAlert

log = logging.getLogger(__name__)

_EARLIER = 3
"""Alerts of the same rule about the same, in the list of those before."""
_HIDDEN_LINES = "lines of the kernel log are shown to those who may see who runs what"
_WITHOUT_TYPE = tuple(column for column in COLUMNS if column.name != "type")


class XidLine(NamedTuple):
    """An Xid error in the list."""

    at: datetime
    gpu_index: int
    code: int
    what: str


class KernelLogLine(NamedTuple):
    """A line of the kernel's log."""

    at: datetime
    text: str


class Evident(NamedTuple):
    """The evidence as the page shows it."""

    why_none: str
    """Why there is none; empty if there is."""
    charts: list[EvidenceChart]
    start: datetime
    end: datetime
    is_recording: bool
    columns: tuple[Column, ...]
    rows: list[Row]
    unlisted: int
    """Processes that are not kept."""
    has_processes: bool
    """The list was available."""
    gpus: str
    """GPU 5; 8 GPUs."""
    xids: list[XidLine]
    kernel_lines: list[KernelLogLine]
    """They may name processes, so only viewers who may see who runs what get them."""
    kernel_log_note: str
    """Why lines are missing."""


class Moment(NamedTuple):
    """One line of what happened."""

    at: datetime
    text: str
    more: str = ""
    level: str = ""


class Around(NamedTuple):
    """The alerts before and after."""

    earlier: UUID | None
    """Of any rule: the one that fired before this."""
    later: UUID | None
    same: list[PastAlert]
    """Earlier ones of the same rule about the same, the newest first."""


def alert_page(event: AlertEvent, visitor: Visitor, *, show_commands: str) -> dict[str, Any]:
    """The context of the page's evidence, as far as the visitor may see it. Raises DatabaseError."""
    has_details = visitor.sees_details
    found = evident(event, visitor, show_commands=show_commands, now=timezone.now())
    return {
        "evidence": found,
        "happened": happened(event, found, has_details=has_details),
        "around": around(event, has_details=has_details),
    }


def evident(event: AlertEvent, visitor: Visitor, *, show_commands: str, now: datetime) -> Evident:
    """The evidence, as far as the visitor may see it. `show_commands`: the setting. Raises DatabaseError."""
    why_none, evidence, recorded = "", Evidence(), Evidence()
    offset = 0.0
    try:
        found = evidence_store.load(event.pk)
        if found is None:
            why_none = _why_none(event)
        else:
            evidence = recorded = found
            if found.recorded_with:
                recorded, offset = _recorded_with(event, found)
    except UnreadableEvidence as error:
        log.warning("%s: %s", event, error)
        why_none = f"The evidence of this alert cannot be shown: {error}."
    alert = alert_of(event)
    rule = stored_rule(event.rule_then)
    has_limit = rule is not None and rule.kind in KINDS and KINDS[rule.kind].has_limit_on_chart
    clears_at = None
    if rule is not None and has_limit and rule.clear_threshold is not None and event.threshold is not None:
        clears_at = event.threshold + rule.clear_threshold - rule.threshold
    placed = Recorded(recorded, offset, alert, has_limit and event.threshold is not None, clears_at, now.timestamp())
    gpus = _as_seen(evidence, visitor, show_commands)
    fired_at = event.fired_at - timedelta(seconds=offset)
    lines = [KernelLogLine(fired_at + timedelta(seconds=line.at), line.text) for line in recorded.kernel_lines]
    live = LivePieces()
    return Evident(
        why_none=why_none,
        charts=charts_of(placed),
        start=event.fired_at - timedelta(seconds=BEFORE_SECONDS),
        end=event.fired_at + timedelta(seconds=AFTER_SECONDS),
        is_recording=now.timestamp() < placed.end,
        columns=_WITHOUT_TYPE,
        rows=[
            Row(f"e{place}-{number}", gpu, process, live, _WITHOUT_TYPE)
            for place, gpu in enumerate(gpus)
            for number, process in enumerate(gpu.processes or ())
        ],
        unlisted=evidence.unlisted_processes,
        has_processes=any(gpu.processes is not None for gpu in gpus),
        gpus=f"GPU {gpus[0].index}" if len(gpus) == 1 else f"{len(gpus)} GPUs",
        xids=[_line(xid, fired_at) for xid in recorded.xids],
        kernel_lines=lines if visitor.sees_details else [],
        kernel_log_note=recorded.kernel_log_note if visitor.sees_details or not lines else _HIDDEN_LINES,
    )


def _why_none(event: AlertEvent) -> str:
    rule = stored_rule(event.rule_then)
    if rule is not None and rule.kind in KINDS and KINDS[rule.kind].is_of_fleet:
        return "A host that is down sends no readings. Its history has those until then."
    return "No evidence is kept with this alert: it fired before an upgrade, or the database did not respond."


def happened(event: AlertEvent, found: Evident, *, has_details: bool) -> list[Moment]:
    """What happened, in order. Raises DatabaseError."""
    past = PastAlert(event, has_details=has_details)
    waited = (event.fired_at - event.started_at).total_seconds()
    moments = [
        Moment(event.fired_at, f"Fired after {formats.duration(waited)}" if waited >= 1 else "Fired",
               _sent(event) if has_details else "", event.severity),
    ]  # fmt: skip
    if waited >= 1:
        moments.append(Moment(event.started_at, "Condition first met"))
    if past.worst and past.worst != past.value and (at := _worst_at(event, found)) is not None:
        moments.append(Moment(at, f"Worst: {past.worst}"))
    if event.acknowledged_at is not None:
        moments.append(Moment(event.acknowledged_at, f"Acknowledged by {past.acknowledged_by}", past.note))
    if event.resolved_at is not None:
        moments.append(Moment(event.resolved_at, "Resolved", event.resolved_because, "ok"))
    return sorted(moments, key=lambda moment: moment.at)


def around(event: AlertEvent, *, has_details: bool) -> Around:
    """The alerts around this one. Raises DatabaseError."""
    ids = AlertEvent.objects.values_list("id", flat=True)
    same = AlertEvent.objects.filter(
        rule_name=event.rule_name, host=event.host, gpu_uuid=event.gpu_uuid, fired_at__lt=event.fired_at
    )
    return Around(
        ids.filter(_before(event)).order_by("-fired_at", "-id").first(),
        ids.exclude(_before(event)).exclude(pk=event.pk).order_by("fired_at", "id").first(),
        [PastAlert(each, has_details=has_details) for each in same.select_related("acknowledged_by")[:_EARLIER]],
    )


def _before(event: AlertEvent) -> Q:
    return Q(fired_at__lt=event.fired_at) | Q(fired_at=event.fired_at, id__lt=event.pk)


def _recorded_with(event: AlertEvent, found: Evidence) -> tuple[Evidence, float]:
    """The evidence that has the readings, and the seconds from its alert to this one; without readings if it was deleted."""
    other = AlertEvent.objects.filter(pk=found.recorded_with).first()
    recorded = None if other is None else evidence_store.load(other.pk)
    if other is None or recorded is None:
        return Evidence(), 0.0
    return recorded, (event.fired_at - other.fired_at).total_seconds()


def _as_seen(evidence: Evidence, visitor: Visitor, show_commands: str) -> tuple[Gpu, ...]:
    """The GPUs with their processes, by the rules for the current ones."""
    then = tuple(Gpu(index=gpu.index, uuid=gpu.uuid, name="", processes=gpu.processes) for gpu in evidence.gpus)
    snapshot = Snapshot(host="", seq=0, time=0.0, gpus=without_commands(then, show_commands))
    return redaction.as_seen(snapshot, has_details=visitor.sees_details, has_commands=visitor.sees_commands).gpus


def _line(xid: SeenXid, fired_at: datetime) -> XidLine:
    return XidLine(fired_at + timedelta(seconds=xid.at), xid.gpu_index, xid.code, meaning_of(xid.code).what)


def _sent(event: AlertEvent) -> str:
    """sent to ops and Discord."""
    rows = event.deliveries.filter(kind="fired").select_related("channel", "part_of").order_by("id")
    names = [row.channel.name for row in rows if "sent" in (row.status, row.part_of and row.part_of.status)]
    return f"sent to {', '.join(dict.fromkeys(names))}" if names else ""


def _worst_at(event: AlertEvent, found: Evident) -> datetime | None:
    """When the worst value was read; None if it was not recorded."""
    if not found.charts or event.worst_value is None:
        return None
    drawn = found.charts[0].drawn
    end = event.resolved_at.timestamp() if event.resolved_at is not None else drawn.end
    is_low = event.value is not None and event.threshold is not None and event.value < event.threshold
    during = [
        (value, at)
        for at, value in zip(drawn.times, drawn.values, strict=True)
        if value is not None and event.started_at.timestamp() - 1 <= at <= end
    ]
    if not during:
        return None
    worst = min(during, key=lambda each: each[0] if is_low else -each[0])
    return datetime.fromtimestamp(worst[1], UTC)
