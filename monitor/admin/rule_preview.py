"""A rule tried before it is saved: the form judged against the readings in memory, or against a recording."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse

from monitor import formats
from monitor.models import AlertRule
from monitor.rules.description import condition_of
from monitor.rules.evaluation import Event
from monitor.rules.making import Rule
from monitor.rules.metrics import metrics, text_of
from monitor.rules.trial import MOST_READINGS, Tried, try_rule
from monitor.rules.trial_chart import chart_of
from monitor.runtime import process
from monitor.telemetry import recording
from monitor.telemetry.recorded_snapshots import snapshots_of
from monitor.telemetry.recording import BadRecording
from monitor.telemetry.schema import Snapshot

MOST_UPLOADED_BYTES = 128 << 20
MOST_EVENTS = 200
"""Listed in the answer; all are counted."""


class Row(NamedTuple):
    """One event in the list."""

    fired: datetime
    lasted: str
    summary: str
    worst: str
    ended: str


def preview(admin: Any, request: HttpRequest) -> HttpResponse:
    """POST: the fields of the rule's form, `preview_of` with the rule's number where it has one, `recording` as a file.

    The answer is a page by itself; the script of the form takes its `data-preview-answer` out.
    """
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
        "problems": _problems(form),
    }
    if form.rule is not None:
        context |= _tried(form.rule, request.FILES.get("recording"))
    return TemplateResponse(request, "admin/monitor/alertrule/preview.html", context)


def _problems(form: forms.ModelForm) -> list[tuple[str, str]]:  # type: ignore[type-arg]  # not generic at run time
    """Label and words for each; none as long as the rule can be judged, whatever else its form lacks."""
    if getattr(form, "rule", None) is not None:
        return []
    return [
        (str(form[name].label) if name in form.fields else "", str(words))
        for name, found in form.errors.items()
        for words in found
    ]


def _tried(rule: Rule, uploaded: UploadedFile[Any] | None) -> dict[str, Any]:
    try:
        tried = try_rule(rule, _snapshots(uploaded))
    except BadRecording as error:
        return {"problems": [("recording", f"{error.reason} {error.fix or ''}")]}
    firing = tried.firing
    return {
        "tried": tried,
        "condition": condition_of(rule),
        "source": uploaded.name if uploaded else "the last 15 minutes",
        "from": _time(tried.began_at),
        "until": _time(tried.ended_at),
        "step": "" if uploaded else formats.duration(process.recent().step_seconds),
        "most_readings": MOST_READINGS,
        "firing": [event.summary for event in firing[:MOST_EVENTS]],
        "unlisted_firing": max(0, len(firing) - MOST_EVENTS),
        "firing_for": formats.duration(tried.firing_seconds),
        "rows": [_row(event, tried) for event in tried.events[:MOST_EVENTS]],
        "unlisted": max(0, len(tried.events) - MOST_EVENTS),
        "chart": chart_of(tried),
        "lacking": _lacking(tried, is_recording=uploaded is not None),
    }


def _snapshots(uploaded: UploadedFile[Any] | None) -> Iterator[Snapshot]:
    if uploaded is None:
        return process.recent().snapshots()
    if uploaded.size is None or uploaded.size > MOST_UPLOADED_BYTES:
        raise BadRecording(
            f"{uploaded.name} is too large: at most {MOST_UPLOADED_BYTES >> 20} MiB are taken here.",
            "Cut it with `head -n LINES`, or use `manage.py alerts check FILE`, which takes any size.",
        )
    assert uploaded.file is not None
    # The file behind the upload: Django's own wrapper begins anew when it is iterated.
    header, readings = recording.read_file(uploaded.file, name=uploaded.name or "the file")
    return snapshots_of(header, readings)


def _lacking(tried: Tried, *, is_recording: bool) -> str:
    """Why there was nothing to judge by, where there was nothing."""
    if tried.has_values:
        return ""
    if not tried.readings:
        return (
            "The recording holds no reading." if is_recording else "No reading has been kept yet: wait a few seconds."
        )
    rule = tried.rule
    if is_recording and rule.metric and metrics()[rule.metric].of == "system":
        return "A recording holds the readings of GPUs alone, and no metrics of the host."
    if rule.kind == "process_gone" and not tried.tracks:
        return ""  # its subjects are there only while it fires
    if not tried.tracks:
        return "Nothing in these readings fits the rule: look at its GPUs and its host."
    return "The value was never known in these readings: this GPU or provider may not report it."


def _row(event: Event, tried: Tried) -> Row:
    end = event.resolved_at or tried.ended_at or event.fired_at
    has_unit = event.metric and event.worst_value is not None
    return Row(
        datetime.fromtimestamp(event.fired_at, UTC),
        formats.duration(end - event.fired_at),
        event.summary,
        text_of(event.metric, event.worst_value) if has_unit and event.worst_value is not None else "—",
        event.resolved_because or "still firing",
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
