"""`GET /api/free`: free GPUs for a program to run on, as JSON or as the bare value of CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from django.http import HttpRequest, HttpResponse

from monitor import formats
from monitor.access.responses import json_error, json_response
from monitor.telemetry.free.choice import FreeGpus, PlaceOf, choose
from monitor.telemetry.free.topology import place_of
from monitor.telemetry.free.wanted import wanted_of
from monitor.telemetry.schema import Snapshot

TEXT = "text/plain"
_FORMATS = ("json", "text")


class FreeOnHosts(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /api/free?host=all."""

    is_enough: bool
    """A host has as many as are wanted."""
    hosts: tuple[FreeGpus, ...]
    """Those with enough first, the most fitting GPUs first. Hosts whose readings are stale are left out."""


class OfHost(NamedTuple):
    """What is known of a host."""

    latest: Snapshot | None
    free_seconds: Mapping[str, float]
    place: PlaceOf = place_of


def answer(request: HttpRequest, hosts: Sequence[OfHost], *, is_all: bool = False) -> HttpResponse:
    """200 with enough GPUs, 409 with too few, 503 while it is not known which GPUs are free.

    `hosts` has one; with `is_all` any number, and 503 only if nothing is known of any.
    """
    query = request.GET.dict()
    query.pop("host", None)
    form = query.pop("format", None)
    try:
        if form not in (None, *_FORMATS):
            raise ValueError(f"format is {form!r}; it must be {' or '.join(_FORMATS)}")
        wanted = wanted_of(query)
    except ValueError as error:
        return json_error(400, formats.sentence(error))
    is_text = form == "text" or (form is None and request.get_preferred_type(["application/json", TEXT]) == TEXT)
    found: list[FreeGpus] = []
    reason = ""
    for latest, free_seconds, place in hosts:
        if latest is None or latest.sampled_at is None:
            reason = "No reading yet. Retry in a second."
        elif latest.stale:
            reason = f"The readings are stale: {latest.stale_reason}"
        else:
            found.append(choose(latest, wanted, free_seconds, place=place))
    if not found:
        return _unknown(reason or "There is no host.", is_text=is_text)
    found.sort(key=lambda each: (not each.is_enough, -each.fitting_count, each.host))
    status = 200 if found[0].is_enough else 409
    if is_text:
        return _unlogged(_text(_all_as_text(found) if is_all else as_text(found[0]), status))
    content = FreeOnHosts(is_enough=found[0].is_enough, hosts=tuple(found)) if is_all else found[0]
    return _unlogged(json_response(content, status=status))


def as_text(found: FreeGpus) -> str:
    """The value of CUDA_VISIBLE_DEVICES; with too few GPUs the reason."""
    return found.cuda_visible_devices or found.reason or ""


def _all_as_text(found: Sequence[FreeGpus]) -> str:
    """A line for each host with enough: its name and the value."""
    return (
        "\n".join([f"{each.host} {each.cuda_visible_devices}" for each in found if each.is_enough])
        or "No host has enough."
    )


def _unknown(reason: str, *, is_text: bool) -> HttpResponse:
    return _unlogged(_text(reason, 503) if is_text else json_error(503, reason))


def _unlogged(response: HttpResponse) -> HttpResponse:
    """A program that waits for GPUs asks every other second. Django would log a warning or an error each time."""
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own mark
    return response


def _text(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", content_type=f"{TEXT}; charset=utf-8", status=status)
