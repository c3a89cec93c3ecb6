"""Views of the JSON API."""

from __future__ import annotations

import time

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils import timezone
from django.views.decorators.cache import never_cache

from monitor import formats
from monitor.access.middleware import opens_with_link
from monitor.access.responses import UNAUTHORIZED, json_error, json_response
from monitor.access.visitor import access, visitor_of
from monitor.history.store import hosts as recorded_names
from monitor.http.hosts import HOST, SENT_HOST
from monitor.runtime.process import runtime
from monitor.runtime.runtime import Runtime
from monitor.telemetry.free.topology import place_elsewhere, place_of
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.usage.records import hosts as hosts_with_usage
from monitor.usage.reports import prices_of
from monitor.web.api import free as free_gpus
from monitor.web.api import history as stored_history
from monitor.web.api import usage as usage_reports
from monitor.web.api import usage_processes as process_records
from monitor.web.api.alerts import Alerts, hosts_with_alerts, open_alerts, past_wanted, records
from monitor.web.api.health import health as health_of
from monitor.web.api.health import now_of
from monitor.web.api.hosts import NoSuchHost, hosts_of, is_own, latest_of
from monitor.web.api.json_schema import json_schema
from monitor.web.api.openapi import openapi
from monitor.web.api.read_only import read_only
from monitor.web.hosts.picker import shown_hosts
from monitor.web.recorded_hosts import recorded_host
from monitor.web.snapshots import as_seen

ALL_HOSTS = "all"
MAY_CHANGE_SETTINGS = "monitor.change_sitesettings"


@login_not_required  # for container engines and load balancers
@never_cache
@read_only("read")
async def health(request: HttpRequest) -> HttpResponse:
    """200 while readings are fresh, 503 when they are stale or no data source responds.

    Others than viewers get only that, and so does a request under an unknown host name, which another site can have sent (DNS
    rebinding).
    """
    running = runtime()
    answer = health_of(
        running.hub,
        running.supervisor.status,
        now=now_of(running.hub),
        alerts=running.open_alerts,
        problems=running.problems,
    )
    scope = getattr(request, "scope", {})
    has_known_host = HOST in scope or SENT_HOST not in scope
    shown = answer if has_known_host and visitor_of(request).may_look else {"status": answer.status}
    response = json_response(shown, status=503 if answer.status == "down" else 200)
    # Django would log an error each time that a probe asks. What is wrong is logged where it is noticed.
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own mark
    return response


@never_cache
@read_only("read")
async def config(request: HttpRequest) -> HttpResponse:
    """The effective settings and the source of each; a secret's value is null. For viewers who may see process details.

    On a server that others can reach, the values that describe the installation are shown to administrators only.
    """
    if not visitor_of(request).sees_details:
        return json_error(401, "Log in to see the settings.", UNAUTHORIZED)
    shows_internal = not access().is_exposed or await (await request.auser()).ahas_perm(MAY_CHANGE_SETTINGS)
    settings = runtime().config.settings_in_force(shows_internal=shows_internal)
    return json_response(
        {
            "settings": [setting._asdict() for setting in settings],
            "time_zone": timezone.get_default_timezone_name(),
        }
    )


@opens_with_link
@never_cache
@read_only("read")
async def snapshot(request: HttpRequest) -> HttpResponse:
    """The latest snapshot, or only one of its GPUs with `?gpu=` (index or UUID); `?host=` (name or ID) for another host."""
    try:
        latest = await latest_of(runtime(), request.GET.get("host"))
    except NoSuchHost as error:
        return json_error(404, str(error))
    latest = latest and as_seen(latest, request)
    if latest is None:
        return json_error(503, "No reading yet. Retry in a second.")
    wanted = request.GET.get("gpu")
    if wanted is None:
        return json_response(latest)
    gpu = find_gpu(latest, wanted)
    if gpu is None:
        known = ", ".join(f"{gpu.index} ({gpu.uuid})" for gpu in latest.gpus) or "none"
        return json_error(404, f"No GPU {wanted!r}. Known GPUs, by index and UUID: {known}.")
    return json_response(gpu)


@opens_with_link
@never_cache
@read_only("read")
async def alerts(request: HttpRequest) -> HttpResponse:
    """The open alerts; with `?state=resolved` or `all` also the history, limited by `&since=` and `&limit=`.

    `?host=` for one host.
    """
    try:
        past = past_wanted(request.GET.dict())
    except ValueError as error:
        return json_error(400, formats.sentence(error))
    try:
        wanted, has_details = request.GET.get("host"), visitor_of(request).sees_details
        host_id = None if wanted is None else (await recorded_host(runtime(), wanted, hosts_with_alerts)).host_id
        history = None if past is None else await sync_to_async(records)(past, has_details=has_details, host_id=host_id)
    except NoSuchHost as error:
        return json_error(404, str(error))
    except DatabaseError as error:
        return json_error(503, f"The alert history is unavailable: {error}. Omit `state` to get the open alerts.")
    shown = open_alerts(runtime().open_alerts, has_details=has_details, host_id=host_id)
    return json_response(Alerts(alerts=shown, history=history))


@never_cache
@read_only("read")
async def free(request: HttpRequest) -> HttpResponse:
    """GPUs that are free, by `?count=`, `&memory=` (each), `&idle_for=`, `&exclude=` and `&host=`; `&format=text` for a shell."""
    running, wanted = runtime(), request.GET.get("host")
    is_all = wanted == ALL_HOSTS
    names = [host.host_id for host in shown_hosts(running)] if is_all else [wanted]
    try:
        return free_gpus.answer(request, [await _free_on(running, each) for each in names], is_all=is_all)
    except NoSuchHost as error:
        return json_error(404, str(error))


async def _free_on(running: Runtime, host: str | None) -> free_gpus.OfHost:
    latest, own = await latest_of(running, host), is_own(running, host)
    seconds = running.free_time.seconds_on(latest, is_own=own) if latest else {}
    return free_gpus.OfHost(latest, seconds, place_of if own else place_elsewhere)


@opens_with_link
@never_cache
@read_only("read")
async def history(request: HttpRequest) -> HttpResponse:
    """Stored metrics over a span, as columns with minimum, mean and maximum of each bucket; `?format=csv` as rows.

    `?host=` for another host.
    """
    try:
        host = await recorded_host(runtime(), request.GET.get("host") or None, recorded_names)
    except NoSuchHost as error:
        return json_error(404, str(error))
    except DatabaseError as error:
        return json_error(503, f"The history is unavailable: {error}.")
    return await sync_to_async(stored_history.answer)(request, host)


@opens_with_link
@never_cache
@read_only("read")
async def hosts(request: HttpRequest) -> HttpResponse:
    """Every host: this one first, then those whose agents have joined, by name."""
    return json_response(hosts_of(runtime()))


@never_cache
@read_only("read")
async def usage(request: HttpRequest) -> HttpResponse:
    """Who used the GPUs, with `?range=` or `&from=&to=`, `&by=` and `&host=`; `&format=csv` for a spreadsheet."""
    try:
        wanted = usage_reports.wanted_of(request.GET.dict(), time.time(), timezone.get_current_timezone())
    except ValueError as error:
        return json_error(400, formats.sentence(error))
    visitor = visitor_of(request)
    try:
        host_id = await _host_of_usage(request)
        report = await sync_to_async(usage_reports.report_of)(
            wanted,
            prices_of(runtime().config),
            has_details=visitor.sees_details,
            has_commands=visitor.sees_commands,
            host_id=host_id,
        )
    except NoSuchHost as error:
        return json_error(404, str(error))
    except DatabaseError as error:
        return json_error(503, f"The usage ledger cannot be read: {error}")
    return usage_reports.answer(wanted, report)


@never_cache
@read_only("read")
async def usage_processes(request: HttpRequest) -> HttpResponse:
    """The processes of a span, with `?range=` or `&from=&to=`; `&host=` for one host, `&gpu=` for one GPU."""
    try:
        asked = process_records.wanted_of(request.GET.dict(), time.time(), timezone.get_current_timezone())
    except ValueError as error:
        return json_error(400, formats.sentence(error))
    try:
        host_id = await _host_of_usage(request)
        return json_response(await sync_to_async(process_records.answer_of)(asked, visitor_of(request), host_id))
    except NoSuchHost as error:
        return json_error(404, str(error))
    except DatabaseError as error:
        return json_error(503, f"The usage ledger cannot be read: {error}")


async def _host_of_usage(request: HttpRequest) -> str | None:
    """The id of the requested host; None: of all."""
    wanted = request.GET.get("host")
    return None if not wanted else (await recorded_host(runtime(), wanted, hosts_with_usage)).host_id


def find_gpu(snapshot: Snapshot, wanted: str) -> Gpu | None:
    """The GPU with this index or UUID. If a lost GPU had the same index, the one that responds is meant."""
    found = [gpu for gpu in snapshot.gpus if wanted in (gpu.uuid, str(gpu.index))]
    return min(found, key=lambda gpu: gpu.state != "ok", default=None)


@read_only("read")
async def schema(request: HttpRequest) -> HttpResponse:
    """JSON Schema of everything the sockets and the API send."""
    return json_response(json_schema())


@read_only("read")
async def openapi_document(request: HttpRequest) -> HttpResponse:
    """This API as an OpenAPI document."""
    return json_response(openapi(get_script_prefix().rstrip("/") or "/"))
