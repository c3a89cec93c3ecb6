"""Title and text of a delivery, for mail, chats and phones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from django.db.models import Count, Min, Q
from django.utils import timezone

from monitor.alerts import snooze_link
from monitor.alerts.alert_rows import alert_of, as_time
from monitor.models import AlertEvent, Delivery
from monitor.notifications.reports import own_usage, summary
from monitor.notifications.reports.settings import ReportSettings
from monitor.rules.choices import SEVERITIES
from monitor.rules.metrics import label_of, metrics, text_of
from monitor.rules.sentences import lasted
from monitor.sanitize import plain
from monitor.telemetry.schema import Alert

LONGEST_LIST = 20
"""A message lists this many alerts and counts the others."""
_PREFIX = {"fired": "", "resolved": "Resolved: ", "reminder": "Still firing: "}


class Message(NamedTuple):
    title: str
    text: str
    """Without its links: texts from outside can occur anywhere in it."""
    links: str = ""
    """Our own addresses, a line each."""

    @property
    def whole(self) -> str:
        """The text and the links."""
        return f"{self.text}\n\n{self.links}" if self.links else self.text


def message_of(
    delivery: Delivery, *, now: datetime, public_url: str | None = None, reports: ReportSettings | None = None
) -> Message:
    """Title and text of a delivery, with a link if `public_url`, the dashboard's address, is known.

    Without control characters: users name rules and channels, and the title becomes the subject of a mail.
    """
    title, text, event = _worded(delivery, now, reports or ReportSettings())
    links = (
        ""
        if public_url is None
        else "\n".join([_link(delivery, event, public_url), *_snooze_link(delivery, public_url)])
    )
    return Message(plain(title), "\n".join(plain(line) for line in text.split("\n")), links)


class _Worded(NamedTuple):
    title: str
    text: str
    event: Alert | None = None
    """The only alert, if there is one."""


_DELETED = _Worded("Deleted alert", "The alert was deleted before this message was sent.")


def _worded(delivery: Delivery, now: datetime, reports: ReportSettings) -> _Worded:
    if delivery.kind == "test":
        title = f"Test message for channel {delivery.channel.name}"
        return _Worded(title, "gpumon can send messages to this channel. Alerts arrive the same way.")
    if delivery.kind == "digest":
        return _digest(delivery)
    if delivery.kind == "report" and delivery.user:
        return _Worded(*own_usage.title_and_text(delivery.user, delivery.created_at, reports))
    if delivery.kind == "report":
        return _Worded(*summary.title_and_text(delivery.created_at, reports))
    rows = delivery.events.select_related("acknowledged_by").order_by("fired_at", "gpu_index")
    events = [alert_of(row) for row in rows]
    if not events:
        return _DELETED
    title = f"{_prefix(delivery.kind, events)}{_title(events)}"
    if len(events) == 1:
        return _Worded(title, _one(events[0], delivery.kind, now), events[0])
    are_of_one_host = len({event.host for event in events}) == 1
    lines = _listed(
        [
            f"· {_summary(event)}{'' if are_of_one_host else f' ({event.host})'}{_ending(event, delivery.kind, now)}"
            for event in events
        ]
    )
    return _Worded(title, "\n".join([*lines, "", *_rule_and_detail(events)]))


def events_of(delivery: Delivery) -> list[Alert]:
    """The alerts of a message and of its parts, each once and in the order they fired."""
    whole = Delivery.objects.filter(Q(pk=delivery.pk) | Q(part_of=delivery.pk))
    rows = AlertEvent.objects.filter(deliveries__in=whole).distinct().order_by("fired_at", "gpu_index")
    return [alert_of(row) for row in rows.select_related("acknowledged_by")]


def _prefix(kind: str, events: Sequence[Alert]) -> str:
    """Empty for a reminder that was delayed until its alerts had resolved: the message of the resolution follows it."""
    is_over = all(event.state == "resolved" for event in events)
    return "" if kind == "reminder" and is_over else _PREFIX[kind]


def _title(events: Sequence[Alert]) -> str:
    """3 GPUs: Thermal slowdown on dgx-07 (critical)."""
    rules, hosts = {event.rule for event in events}, {event.host for event in events}
    rule = events[0].rule if len(rules) == 1 else f"{len(rules)} rules"
    host = events[0].host if len(hosts) == 1 else f"{len(hosts)} hosts"
    worst = max((event.severity for event in events), key=SEVERITIES.index)
    what = _subjects(events)
    return f"{what}: {rule} on {host} ({worst})" if what else f"{rule} on {host} ({worst})"


def _subjects(events: Sequence[Alert]) -> str:
    if len(events) == 1:
        event = events[0]
        return "" if event.gpu_index is None else f"GPU {event.gpu_index}"
    gpus = {event.gpu_uuid for event in events}
    return f"{len(gpus)} GPUs" if None not in gpus and len(gpus) == len(events) else f"{len(events)} alerts"


def _one(event: Alert, kind: str, now: datetime) -> str:
    place = f"Host: {event.host}"
    if event.gpu_index is not None:
        place += "\n" + " · ".join(part for part in (f"GPU: {event.gpu_index}", event.gpu_name, event.gpu_uuid) if part)
    lines = [_summary(event) + ".", *_because(event, kind), "", place]
    if event.pid is not None:
        lines.append(f"Process: PID {event.pid}")
    lines += _values(event, kind)
    if event.state == "resolved" and event.resolved_at is not None:
        lines.append(f"Fired: {_moment(event.fired_at)}")
        lines.append(f"Resolved: {_moment(event.resolved_at)}, after {lasted(event)}")
    else:
        lines.append(f"Firing: since {_moment(event.fired_at)}, for {lasted(event, now.timestamp())}")
    return "\n".join([*lines, *_rule_and_detail([event])])


def _because(event: Alert, kind: str) -> list[str]:
    if kind != "resolved" or not event.resolved_because:
        return []
    return [f"Resolved because: {event.resolved_because.rstrip('.')}."]


def _values(event: Alert, kind: str) -> list[str]:
    """Value and threshold, if the alert has a metric."""
    if event.metric not in metrics() or event.value is None:
        return []
    line = f"{label_of(event.metric).capitalize()}: {text_of(event.metric, event.value)}"
    if event.threshold is not None:
        line += f", threshold {text_of(event.metric, event.threshold)}"
    if event.worst_value is not None and kind != "fired" and event.worst_value != event.value:
        line += f", at worst {text_of(event.metric, event.worst_value)}"
    return [line]


def _rule_and_detail(events: Sequence[Alert]) -> list[str]:
    rules = dict.fromkeys(f"{event.rule} ({event.severity})" for event in events)
    details = list(dict.fromkeys(event.detail for event in events if event.detail))
    return [f"Rule: {', '.join(rules)}", *(["", *_listed(details)] if details else [])]


def _digest(delivery: Delivery) -> _Worded:
    included = Delivery.events.through.objects.filter(delivery__part_of=delivery)
    count = included.count()  # tens of thousands, if a rule flaps while the channel is unreachable
    if not count:
        return _DELETED
    in_order = included.order_by("delivery_id", "alertevent__fired_at", "alertevent__gpu_index")
    lines = [
        f"· {_prefix(each.delivery.kind, [alert])}{_summary(alert)} ({alert.host})"
        for each in in_order.select_related("delivery", "alertevent__acknowledged_by")[:LONGEST_LIST]
        for alert in (alert_of(each.alertevent),)
    ]
    parts = delivery.parts.aggregate(count=Count("id"), earliest=Min("created_at"))
    earliest = _moment(parts["earliest"].timestamp())
    text = [
        *_cut(lines, count),
        "",
        f"{parts['count']} messages combined, the earliest from {earliest}: they were delayed, or would have "
        f"exceeded this channel's limit of {delivery.channel.messages_per_hour} per hour.",
    ]
    return _Worded(f"{count} alerts combined", "\n".join(text))


def _ending(event: Alert, kind: str, now: datetime) -> str:
    if kind != "fired" and event.resolved_at is not None:
        return f", resolved after {lasted(event)}"
    return f", for {lasted(event, now.timestamp())}" if kind == "reminder" else ""


def _listed(lines: list[str]) -> list[str]:
    return _cut(lines[:LONGEST_LIST], len(lines))


def _cut(lines: list[str], count: int) -> list[str]:
    """The lines, followed by the number of the others."""
    more = count - len(lines)
    return lines if more <= 0 else [*lines, f"and {more} more"]


def _summary(event: Alert) -> str:
    return event.summary.rstrip(".")


def _snooze_link(delivery: Delivery, public_url: str) -> list[str]:
    """For what fires now: the address at which a reader of the message can snooze it, without a login."""
    if delivery.kind not in ("fired", "reminder") or delivery.rule_id is None:
        return []
    firing = list(
        delivery.events.filter(state="firing")
        .order_by("fired_at", "gpu_index")
        .values_list("pk", "gpu_uuid", "host_id")
    )
    if not firing:
        return []
    event_id, uuid, host_id = firing[0]
    scope: snooze_link.Scope = "rule"
    if uuid and len({each for _, each, _ in firing}) == 1:
        scope = "gpu"
    elif host_id and len({each for _, _, each in firing}) == 1:
        scope = "host"
    key = quote(snooze_link.made(str(event_id), scope), safe="")
    return [f"Snooze: {public_url.rstrip('/')}/alerts/{event_id}/snooze?key={key}"]


def _link(delivery: Delivery, event: Alert | None, public_url: str) -> str:
    return f"{public_url.rstrip('/')}/usage" if delivery.kind == "report" else link_to(event, public_url)


def link_to(event: Alert | None, public_url: str) -> str:
    """The URL of the event's GPU page, or of its host's dashboard."""
    base = public_url.rstrip("/") + "/"
    if event is not None and event.host_id:
        base += f"host/{event.host_id}/"
    return base if event is None or not event.gpu_uuid else f"{base}gpu/{quote(event.gpu_uuid, safe='')}"


def _moment(seconds: float) -> str:
    """2026-11-24 14:05 CET, in the server's time zone."""
    return as_time(seconds).astimezone(timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M %Z")
