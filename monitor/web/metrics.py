"""The view of /metrics, for Prometheus and what else reads its formats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.vary import vary_on_headers
from prometheus_client.exposition import gzip_accepted

from monitor.access.responses import json_error
from monitor.access.visitor import visitor_of
from monitor.config.metrics_names import checked_metrics_names
from monitor.prometheus.stage import Body
from monitor.runtime.process import runtime
from monitor.runtime.runtime import Runtime
from monitor.telemetry.freshness import longest_silence
from monitor.web.api.hosts import NoSuchHost, is_own, latest_of
from monitor.web.api.read_only import read_only


@never_cache
@vary_on_headers("Accept", "Accept-Encoding", "Authorization")
@read_only("metrics")
async def metrics(request: HttpRequest) -> HttpResponse:
    """The newest snapshot; `?names=own,dcgm,nvidia_smi` chooses the vocabularies in place of the setting, `?host=` another host."""
    running = runtime()
    names = running.config.metrics_names
    if (given := request.GET.get("names")) is not None:
        try:
            names = checked_metrics_names(given.split(","))
        except ValueError as error:
            return json_error(400, f"`names` is {given!r}: it must be {error}.")
    try:
        make = await _of_host(running, request.GET.get("host"))
    except NoSuchHost as error:
        return json_error(404, str(error))
    if make is None:
        return json_error(503, "No reading of this host has arrived since the hub started.")
    # In a thread: a scrape of 64 GPUs takes long enough to delay the messages of the sockets.
    body = await asyncio.to_thread(
        make,
        names,
        request.headers.get("Accept", ""),
        has_details=visitor_of(request).sees_details,
        most_processes=running.config.metrics_processes,
    )
    if not gzip_accepted(request.headers.get("Accept-Encoding", "")):
        return HttpResponse(body.plain, content_type=body.content_type)
    return HttpResponse(body.gzipped, content_type=body.content_type, headers={"Content-Encoding": "gzip"})


async def _of_host(running: Runtime, host: str | None) -> Callable[..., Body] | None:
    """What makes the body for this host; None if nothing is known of it yet. Raises NoSuchHost."""
    if is_own(running, host):
        return running.metrics.body
    assert host is not None
    snapshot, known = await latest_of(running, host), running.fleet.named(host)
    if snapshot is None or known is None:
        return None
    age = known.age_seconds
    is_silent = age is None or age > longest_silence(snapshot.poll_interval_seconds)
    return partial(running.metrics.body_of, snapshot, is_silent=is_silent)
