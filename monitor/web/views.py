"""The JSON API."""

from __future__ import annotations

import time

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.views.decorators.cache import never_cache

from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web import current
from monitor.web.alerts_api import Alerts, past_wanted, records
from monitor.web.answers import json_error, json_read_only, json_response
from monitor.web.health import health as health_of
from monitor.web.json_schema import json_schema
from monitor.web.openapi import openapi


@never_cache
@json_read_only
async def health(request: HttpRequest) -> HttpResponse:
    """200 while readings are fresh, 503 when they are stale or no provider answers."""
    running = current.started()
    answer = health_of(running.hub, running.supervisor.status, now=time.time())
    return json_response(answer, status=503 if answer.status == "down" else 200)


@never_cache
@json_read_only
async def config(request: HttpRequest) -> HttpResponse:
    """The settings in force and where each came from; a secret's value is null."""
    return json_response({"settings": [setting._asdict() for setting in current.config().settings_in_force()]})


@never_cache
@json_read_only
async def snapshot(request: HttpRequest) -> HttpResponse:
    """The latest snapshot, or with `?gpu=` (index or UUID) that GPU alone."""
    latest = current.started().hub.latest
    if latest is None:
        return json_error(503, "There is no reading yet: the first one is on its way. Ask again in a second.")
    wanted = request.GET.get("gpu")
    if wanted is None:
        return json_response(latest)
    gpu = find_gpu(latest, wanted)
    if gpu is None:
        known = ", ".join(f"{gpu.index} ({gpu.uuid})" for gpu in latest.gpus) or "none"
        return json_error(404, f"There is no GPU {wanted!r} here. Known, by index and UUID: {known}.")
    return json_response(gpu)


@never_cache
@json_read_only
async def alerts(request: HttpRequest) -> HttpResponse:
    """The open alerts; with `?state=resolved` or `all` the history too, `&since=` a time and up to `&limit=` of it."""
    try:
        past = past_wanted(request.GET.dict())
    except ValueError as error:
        return json_error(400, f"{str(error)[0].upper()}{str(error)[1:]}.")
    try:
        history = None if past is None else await sync_to_async(records)(past)
    except DatabaseError as error:
        return json_error(503, f"The history cannot be read now: {error}. Open alerts are given without state.")
    latest = current.started().hub.latest
    return json_response(Alerts(alerts=latest.alerts if latest else (), history=history))


def find_gpu(snapshot: Snapshot, wanted: str) -> Gpu | None:
    """The GPU with this index or UUID; an index means the one that answers, should a lost one have had it too."""
    found = [gpu for gpu in snapshot.gpus if wanted in (gpu.uuid, str(gpu.index))]
    return min(found, key=lambda gpu: gpu.state != "ok", default=None)


@json_read_only
async def schema(request: HttpRequest) -> HttpResponse:
    """JSON Schema of everything the sockets and the API send."""
    return json_response(json_schema())


@json_read_only
async def openapi_document(request: HttpRequest) -> HttpResponse:
    """This API as an OpenAPI document."""
    return json_response(openapi(get_script_prefix().rstrip("/") or "/"))
