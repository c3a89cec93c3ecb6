"""`GET /api/free`: free GPUs for a program to run on, as JSON or as the bare value of CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse

from monitor import formats
from monitor.access.responses import json_error, json_response
from monitor.telemetry.free.choice import FreeGpus, choose
from monitor.telemetry.free.wanted import wanted_of
from monitor.telemetry.schema import Snapshot

TEXT = "text/plain"
_FORMATS = ("json", "text")


def answer(request: HttpRequest, latest: Snapshot | None, free_seconds: Mapping[str, float]) -> HttpResponse:
    """200 with enough GPUs, 409 with too few, 503 while it is not known which GPUs are free."""
    query = request.GET.dict()
    form = query.pop("format", None)
    try:
        if form not in (None, *_FORMATS):
            raise ValueError(f"format is {form!r}; it must be {' or '.join(_FORMATS)}")
        wanted = wanted_of(query)
    except ValueError as error:
        return json_error(400, formats.sentence(error))
    is_text = form == "text" or (form is None and request.get_preferred_type(["application/json", TEXT]) == TEXT)
    if latest is None or latest.sampled_at is None:
        return _unknown("No reading yet. Retry in a second.", is_text=is_text)
    if latest.stale:
        return _unknown(f"The readings are stale: {latest.stale_reason}", is_text=is_text)
    found = choose(latest, wanted, free_seconds)
    status = 200 if found.is_enough else 409
    return _unlogged(_text(as_text(found), status) if is_text else json_response(found, status=status))


def as_text(found: FreeGpus) -> str:
    """The value of CUDA_VISIBLE_DEVICES; with too few GPUs the reason."""
    return found.cuda_visible_devices or found.reason or ""


def _unknown(reason: str, *, is_text: bool) -> HttpResponse:
    return _unlogged(_text(reason, 503) if is_text else json_error(503, reason))


def _unlogged(response: HttpResponse) -> HttpResponse:
    """A program that waits for GPUs asks every other second. Django would log a warning or an error each time."""
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own mark
    return response


def _text(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", content_type=f"{TEXT}; charset=utf-8", status=status)
