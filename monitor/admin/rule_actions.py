"""Actions on several rules at once. The admin's log records each change."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from monitor.alerts import silence
from monitor.alerts.rules_yaml import COLUMNS
from monitor.models import AlertRule
from monitor.runtime.process import runtime

MUTED_FOR = timedelta(hours=1)


@admin.action(description="Enable", permissions=["change"])
def enable(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """Evaluate them from now on."""
    _set(model_admin, request, queryset.filter(is_enabled=False), "Enabled.", "enabled", is_enabled=True)


@admin.action(description="Disable (resolves open alerts)", permissions=["change"])
def disable(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """Stop evaluating them."""
    _set(model_admin, request, queryset.filter(is_enabled=True), "Disabled.", "disabled", is_enabled=False)


@admin.action(description="Mute for 1 h", permissions=["mute"])
def mute(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """No notifications for an hour; the rules are still evaluated and shown."""
    _mute_until(model_admin, request, queryset, timezone.now() + MUTED_FOR, "muted for 1 h")


@admin.action(description="Mute until 08:00", permissions=["mute"])
def mute_until_morning(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """No notifications until the next morning, by the server's time zone."""
    _mute_until(model_admin, request, queryset, silence.next_morning(timezone.now()), "muted until 08:00")


@admin.action(description="Mute until open alerts have resolved", permissions=["mute"])
def mute_until_resolved(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """No notifications about what fires now. Rules without an open alert are left as they are."""
    with transaction.atomic():
        rules = [*queryset.filter(events__state="firing").distinct()]
        for rule in rules:
            silence.set_until(rule, None, by=request.user.pk)
            model_admin.log_change(request, rule, "Muted until its open alerts have resolved.")
        transaction.on_commit(runtime().alerts.changed)
    _say(model_admin, request, len(rules), "muted until their open alerts have resolved")


@admin.action(description="Unmute", permissions=["mute"])
def unmute(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """Notify again, on every GPU."""
    with transaction.atomic():
        rules = [*queryset.filter(Q(muted_until__isnull=False) | Q(snoozes__isnull=False)).distinct()]
        for rule in rules:
            silence.end(rule)
            model_admin.log_change(request, rule, "Unmuted.")
        transaction.on_commit(runtime().alerts.changed)
    _say(model_admin, request, len(rules), "no longer muted")


@admin.action(description="Duplicate as disabled", permissions=["add"])
def duplicate(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """A disabled copy of each, to edit and enable."""
    with transaction.atomic():
        rules = [*queryset]
        for rule in rules:
            values = {name: getattr(rule, name) for name in COLUMNS}
            copy = AlertRule(**{**values, "name": _free_name(rule.name), "is_enabled": False, "muted_until": None})
            copy.save()
            copy.gpus.set(rule.gpus.all())
            copy.channels.set(rule.channels.all())
            model_admin.log_addition(request, copy, f"Duplicated from {rule.name}.")
    _say(model_admin, request, len(rules), "duplicated; the copies are disabled until you enable them")


ACTIONS = (enable, disable, mute, mute_until_morning, mute_until_resolved, unmute, duplicate)


def _mute_until(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule], until: datetime, done: str
) -> None:
    log = f"Muted until {timezone.localtime(until):%Y-%m-%d %H:%M %Z}."
    _set(model_admin, request, queryset, log, done, muted_until=until)


def _set(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule], log: str, done: str, **values: Any
) -> None:
    with transaction.atomic():
        rules = [*queryset]
        for rule in rules:
            for name, value in values.items():
                setattr(rule, name, value)
            # Saved one by one: engines of other processes watch `updated_at`.
            rule.save(update_fields=[*values, "updated_at"])
            model_admin.log_change(request, rule, log)
        transaction.on_commit(runtime().alerts.changed)
    _say(model_admin, request, len(rules), done)


def _say(model_admin: Any, request: HttpRequest, count: int, done: str) -> None:
    if count:
        model_admin.message_user(request, f"{count} rule{'' if count == 1 else 's'} {done}.")
    else:
        model_admin.message_user(request, f"Nothing to do: the chosen rules are {done} already.", messages.WARNING)


def _free_name(name: str) -> str:
    number = 1
    while True:
        ending = " (copy)" if number == 1 else f" (copy {number})"
        candidate = name[: 100 - len(ending)] + ending
        if not AlertRule.objects.filter(name=candidate).exists():
            return candidate
        number += 1
