"""Whether notifications are off: a rule is muted, in its quiet hours, or snoozed for a GPU or a host."""

from __future__ import annotations

import functools
import logging
from datetime import datetime, timedelta

from django.utils import timezone

from monitor.models import AlertEvent, AlertRule, Snooze
from monitor.models.snoozes import HUB
from monitor.rules import quiet_hours

log = logging.getLogger(__name__)

MORNING_HOUR = 8


def is_silent(rule: AlertRule | None, now: datetime, gpu_uuid: str = "", host_id: str = "") -> bool:
    """Whether a rule is muted, in its quiet hours (in the time zone of the settings), or snoozed for this GPU or host, as an
    AlertEvent has them. A deleted rule (None) is not.

    Costs a query unless the rule's snoozes were prefetched.
    """
    if rule is None:
        return False
    return is_rule_silent(rule, now) or any(
        _is_active(snooze, now) for snooze in rule.snoozes.all() if _is_about(snooze, gpu_uuid, host_id)
    )


def is_rule_silent(rule: AlertRule, now: datetime) -> bool:
    """Whether it is muted or in its quiet hours, for all GPUs."""
    if rule.muted_until is not None and now < rule.muted_until:
        return True
    return quiet_hours.is_quiet(_spans(rule.quiet_hours, rule.name), now.astimezone(timezone.get_default_timezone()))


def reasons(rule: AlertRule | None, now: datetime, gpu_uuid: str = "", host_id: str = "") -> list[str]:
    """Why notifications about this GPU of this host are off now, in words; none if they are on."""
    if rule is None:
        return []
    found = []
    if rule.muted_until is not None and now < rule.muted_until:
        found.append(f"until {moment(rule.muted_until)}, for all GPUs of this rule")
    elif is_rule_silent(rule, now):
        found.append("during the quiet hours of this rule")
    for snooze in rule.snoozes.all():
        if _is_about(snooze, gpu_uuid, host_id) and _is_active(snooze, now):
            until = "until it has resolved" if snooze.until is None else f"until {moment(snooze.until)}"
            what = "this GPU" if snooze.gpu_uuid else "this host" if snooze.host_id else "all GPUs of this rule"
            found.append(f"{until}, for {what}")
    return found


def moment(when: datetime) -> str:
    """2026-11-24 08:00 CET, in the server's time zone."""
    return when.astimezone(timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M %Z")


def next_morning(now: datetime) -> datetime:
    """The next 08:00 in the server's time zone."""
    local = now.astimezone(timezone.get_default_timezone())
    day = local.date() if local.hour < MORNING_HOUR else local.date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, MORNING_HOUR, tzinfo=local.tzinfo)


def _is_about(snooze: Snooze, gpu_uuid: str, host_id: str) -> bool:
    return snooze.gpu_uuid in ("", gpu_uuid) and snooze.host_id in ("", host_id or HUB)


def _is_active(snooze: Snooze, now: datetime) -> bool:
    return snooze.until is None or now < snooze.until


def end_with(event: AlertEvent) -> None:
    """Call it when an event has resolved: snoozes until then end, unless another alert that they apply to still fires."""
    about = {"gpu_uuid__in": {"", event.gpu_uuid}, "host_id__in": {"", event.host_id or HUB}}
    lasting = Snooze.objects.filter(rule=event.rule_id, until=None, **about)
    for snooze in lasting:
        firing = AlertEvent.objects.filter(rule=event.rule_id, state="firing").exclude(pk=event.pk)
        if snooze.gpu_uuid:
            firing = firing.filter(gpu_uuid=snooze.gpu_uuid)
        if snooze.host_id:
            firing = firing.filter(host_id=event.host_id)
        if not firing.exists():
            snooze.delete()
            _announce(snooze.rule)


def _announce(rule: AlertRule) -> None:
    """Engines, also of other processes, load rules whose `updated_at` has changed."""
    rule.save(update_fields=["updated_at"])


def set_until(
    rule: AlertRule,
    until: datetime | None,
    *,
    gpu_uuid: str = "",
    of_host: AlertEvent | None = None,
    by: int | None = None,
) -> None:
    """Switch notifications off: for all GPUs of the rule, for one, or for those of the event's host, until a moment, or (None)
    until its alerts resolve. It replaces what was set before for the same. `by`: a user's id.
    """
    host_id = "" if of_host is None else of_host.host_id or HUB
    if not gpu_uuid and not host_id and until is not None:
        rule.muted_until = until
        rule.save(update_fields=["muted_until", "updated_at"])
        return
    values = {"until": until, "created_by_id": by}
    Snooze.objects.update_or_create(rule=rule, gpu_uuid=gpu_uuid, host_id=host_id, defaults=values)
    _announce(rule)


def end(rule: AlertRule) -> None:
    """Notify again about the rule, on all GPUs. Quiet hours stay."""
    rule.snoozes.all().delete()
    rule.muted_until = None
    rule.save(update_fields=["muted_until", "updated_at"])


@functools.lru_cache(maxsize=256)
def _spans(text: str, name: str) -> tuple[quiet_hours.Span, ...]:
    try:
        return quiet_hours.parse(text)
    except ValueError as error:  # the form rejects such a text, so it was written directly to the database
        log.warning("ignoring the quiet hours of rule %s: %s", name, error)
        return ()
