"""Exports all rules of the database, and imports a file of rules in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction

from monitor.alerts.rules_yaml import COLUMNS, BadFile, Entry
from monitor.models import AlertRule, Channel, SeenGpu


class Plan(NamedTuple):
    """The effect of an import, by rule names."""

    added: list[str]
    changed: list[str]
    unchanged: list[str]
    """Left alone, with their open alerts."""
    deleted: list[str]


def entries() -> list[Entry]:
    """Every rule of the database, sorted by name."""
    return [_entry_of(row) for row in AlertRule.objects.order_by("name").prefetch_related("gpus", "channels")]


def take(given: Sequence[Entry], *, replace: bool, is_trial: bool = False) -> Plan:
    """Make the database match a file. Rules are identified by name.

    `replace`: delete rules that are not in the file. `is_trial`: only return what would be done. Raises BadFile if a
    channel does not exist. GPUs that were never seen are stored by UUID.
    """
    known = {channel.name: channel for channel in Channel.objects.all()}
    there = ", ".join(f"“{name}”" for name in known) or "none, add it in the admin first"
    problems = [
        f"rule “{entry.row.name}”, channels: there is no channel “{name}”; existing: {there}"
        for entry in given
        for name in entry.channels
        if name not in known
    ]
    if problems:
        raise BadFile(problems)
    plan = Plan([], [], [], [])
    with transaction.atomic():
        rows = {row.name: row for row in AlertRule.objects.prefetch_related("gpus", "channels")}
        for entry in given:
            row = rows.get(entry.row.name)
            if row is not None and _entry_of(row).said() == entry.said():
                plan.unchanged.append(entry.row.name)
                continue
            (plan.added if row is None else plan.changed).append(entry.row.name)
            row = row or AlertRule()
            for name in COLUMNS:
                setattr(row, name, getattr(entry.row, name))
            row.save()
            row.gpus.set(map(_gpu, entry.gpus))
            row.channels.set([known[name] for name in entry.channels])
        if replace:
            names = {entry.row.name for entry in given}
            plan.deleted.extend(sorted(name for name in rows if name not in names))
            AlertRule.objects.filter(name__in=plan.deleted).delete()
        if is_trial:
            transaction.set_rollback(True)
    return plan


def _gpu(uuid: str) -> SeenGpu:
    """Rules select GPUs by UUID, on whichever host."""
    return SeenGpu.objects.filter(uuid=uuid).order_by("pk").first() or SeenGpu.objects.create(uuid=uuid)


def _entry_of(row: AlertRule) -> Entry:
    gpus = tuple(sorted({gpu.uuid for gpu in row.gpus.all()}))
    return Entry(row, gpus, tuple(sorted(channel.name for channel in row.channels.all())))
