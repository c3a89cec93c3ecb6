"""Test an unsaved alert rule: on the readings of the last 15 minutes, or on any span of the stored history."""

from __future__ import annotations

import logging
import socket
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from django import forms
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone

from monitor import formats
from monitor.admin.preview_span import Asked, BadSpan, asked_span
from monitor.history.store import OWN
from monitor.history.tiers import SECONDS
from monitor.history.trial.rule_trial import CannotTry, try_on_history
from monitor.history.trial.tried_host import TriedHost, host_for
from monitor.models import AlertRule
from monitor.rules.description import condition_of
from monitor.rules.evaluation import Event
from monitor.rules.kinds.registry import kind_of
from monitor.rules.metrics import text_of
from monitor.rules.rule import Rule
from monitor.rules.sentences import lasted
from monitor.rules.trial import Tried, try_rule
from monitor.rules.trial_chart import chart_of
from monitor.runtime.process import runtime
from monitor.sanitize import plain
from monitor.telemetry.recent import KEPT_SECONDS

log = logging.getLogger(__name__)

_COMPARED = {"mean": "mean", "high": "highest value", "low": "lowest value"}
MOST_EVENTS = 200
"""Listed on the page; all are counted."""


class Row(NamedTuple):
    """One alert in the list."""

    fired: datetime
    lasted: str
    summary: str
    worst: str
    ended: str


def preview(admin: Any, request: HttpRequest) -> HttpResponse:
    """POST: the fields of the rule's form, and `preview_of` with the rule's number if it is saved. For htmx a fragment."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    number = request.POST.get("preview_of", "")
    rule = admin.get_object(request, number) if number else None
    may = (
        admin.has_view_or_change_permission(request, rule) and admin.has_change_permission(request, rule)
        if rule is not None
        else admin.has_add_permission(request)
    )
    if not may:
        raise PermissionDenied
    form = admin.get_form(request, rule, change=rule is not None)(request.POST, instance=rule)
    form.is_valid()
    context = {
        **admin.admin_site.each_context(request),
        "title": "Preview",
        "opts": AlertRule._meta,
        "media": admin.media,
        "problems": _problems(form),
    }
    if form.rule is not None:
        try:
            context |= _tried(form.rule, asked_span(request.POST.dict(), timezone.now()))
        except (BadSpan, CannotTry) as problem:
            context["problems"] = [("", str(problem))]
        except DatabaseError as error:
            log.warning("cannot test a rule on the stored history: %s", error)
            context["problems"] = [("", f"The stored history cannot be read now ({error}).")]
    name = "trial" if request.htmx else "preview"  # type: ignore[attr-defined]  # set by HtmxMiddleware
    return TemplateResponse(request, f"admin/monitor/alertrule/{name}.html", context)


def _problems(form: forms.ModelForm) -> list[tuple[str, str]]:  # type: ignore[type-arg]  # not generic at run time
    """Label and text of each error; none if the rule can be evaluated, even if the form has other errors."""
    if getattr(form, "rule", None) is not None:
        return []
    return [
        (str(form[name].label) if name in form.fields else "", str(words))
        for name, found in form.errors.items()
        for words in found
    ]


def _tried(rule: Rule, asked: Asked | None) -> dict[str, Any]:
    """The context of a result. Raises CannotTry and DatabaseError."""
    if asked is None and (reason := kind_of(rule).why_not_previewed):
        raise CannotTry(reason)
    latest = runtime().hub.latest
    own = TriedHost(OWN, plain(socket.gethostname()) if latest is None else latest.host)
    host = host_for(rule, own, has_gpus=latest is not None and bool(latest.gpus))
    if asked is None and not host.is_own:  # whose readings are not in memory
        now = time.time()
        asked = Asked(now - KEPT_SECONDS, now)
    if asked is None:
        recent = runtime().alerts.recent
        tried = try_rule(rule, recent.snapshots())
        basis = {"step": formats.duration(recent.step_seconds)}
    else:
        found = try_on_history(rule, asked.start, asked.end, host=host)
        tried = found.tried
        basis = {"tier": found.tier.name, "compared": _COMPARED[found.pick] if found.tier is not SECONDS else ""}
    firing = tried.firing
    chart = chart_of(tried)
    return {
        "tried": tried,
        "condition": condition_of(rule),
        "from": _time(tried.began_at),
        "until": _time(tried.ended_at),
        "is_stored": asked is not None,
        "other_host": "" if host.is_own else host.name,
        **basis,
        "firing": [event.summary for event in firing[:MOST_EVENTS]],
        "unlisted_firing": max(0, len(firing) - MOST_EVENTS),
        "firing_for": formats.duration(tried.firing_seconds),
        "rows": [_row(event, tried) for event in tried.events[:MOST_EVENTS]],
        "unlisted": max(0, len(tried.events) - MOST_EVENTS),
        "chart": chart,
        "chart_json": None if chart is None else msgspec.json.encode(chart).decode(),
        "lacking": _lacking(tried, is_stored=asked is not None),
    }


def _lacking(tried: Tried, *, is_stored: bool) -> str:
    """Why the rule could not be evaluated; empty if it could."""
    if tried.has_values:
        return ""
    if not tried.readings and is_stored:
        return "No readings are stored of this span."
    if not tried.readings:
        return "No readings yet: try again in a few seconds."
    if kind_of(tried.rule).has_subjects_only_while_bad and not tried.tracks:
        return ""
    if not tried.tracks:
        return "No GPU or host in these readings matches the rule: check its GPUs and host."
    return "The value is unknown in all of these readings: this GPU or data source may not report it."


def _row(event: Event, tried: Tried) -> Row:
    worst = text_of(event.metric, event.worst_value) if event.metric and event.worst_value is not None else "—"
    return Row(
        datetime.fromtimestamp(event.fired_at, UTC),
        lasted(event, tried.ended_at),
        event.summary,
        worst,
        event.resolved_because or "still firing",
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
