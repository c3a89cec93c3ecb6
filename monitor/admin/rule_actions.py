"""Actions on several rules at once. The admin's log records each change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

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
    until = timezone.now() + MUTED_FOR
    log = f"Muted until {timezone.localtime(until):%Y-%m-%d %H:%M %Z}."
    _set(model_admin, request, queryset, log, "muted for 1 h", muted_until=until)


@admin.action(description="Unmute", permissions=["mute"])
def unmute(model_admin: Any, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
    """Notify again."""
    _set(
        model_admin, request, queryset.filter(muted_until__isnull=False), "Unmuted.", "no longer muted", muted_until=None
    )  # fmt: skip


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


ACTIONS = (enable, disable, mute, unmute, duplicate)


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
