"""`GET /api/history`: stored metrics of a host and its GPUs over a span, as columns or as CSV."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from monitor import formats
from monitor.access.responses import json_error, json_response
from monitor.history.metrics import GPU_METRICS, HOST_METRICS
from monitor.history.queries import Answer
from monitor.history.store import HOST, sources
from monitor.telemetry.schema import Snapshot
from monitor.web.api.parameters import refuse_unknown, whole_number
from monitor.web.csv_files import Cell, csv_response
from monitor.web.recorded_hosts import RecordedHost, recorded_board
from monitor.web.span import PARAMETERS, Span, span_of
from monitor.web.stored_history import stored

ALL = "all"
FEWEST_POINTS, DEFAULT_POINTS, MOST_POINTS = 10, 600, 5000
MOST_VALUES = 250_000
"""Points of all series together: what one answer may cost."""
FORMATS = ("json", "csv")
_PARAMETERS = ("host", "gpu", "metric", *PARAMETERS, "points", "format")
CSV_HEADER = ("time", "source", "metric", "unit", "min", "mean", "max", "seconds")


def answer(request: HttpRequest, host: RecordedHost) -> HttpResponse:
    """The response, or an error with its reason. Blocks."""
    if host.is_own and host.latest is None:
        return json_error(503, "No reading yet. Retry in a second.")
    try:
        board = recorded_board(host)
        wanted = wanted_of(request.GET.dict(), board, [row.key for row in sources(host.host_id)], time.time())
        found = read(wanted, host)
    except UnknownGpu as error:
        return json_error(404, str(error))
    except ValueError as error:
        return json_error(400, formats.sentence(error))
    except DatabaseError as error:
        return json_error(503, f"The history is unavailable: {error}.")
    if not wanted.is_csv:
        return json_response(found)
    labels = {gpu.uuid: f"GPU {gpu.index} ({gpu.uuid})" for gpu in board.gpus}
    name = "-".join(filter(None, ("gpumon-history", host.file_name)))
    return csv_response(name, CSV_HEADER, csv_rows(found, labels))


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /api/history."""

    host: str
    """Name of the host."""
    start: float
    """Unix seconds, as requested."""
    end: float
    """Unix seconds, as requested."""
    series: tuple[Answer, ...]
    """One for each GPU (or host) and metric, in the order of the request."""


class Wanted(NamedTuple):
    """What a request asks for."""

    sources: tuple[str, ...]
    """UUIDs of GPUs, and "host"."""
    metrics: tuple[str, ...]
    span: Span
    points: int
    """At most, per series."""
    is_csv: bool = False


class UnknownGpu(LookupError):
    """No GPU has this index or UUID."""


def wanted_of(query: Mapping[str, str], snapshot: Snapshot, recorded: Collection[str], now: float) -> Wanted:
    """From the query. `recorded`: keys of the stored sources, also of GPUs that are gone.

    Raises ValueError with the problem and the valid values, UnknownGpu with the known GPUs.
    """
    refuse_unknown(query, _PARAMETERS)
    sources = tuple(dict.fromkeys(_sources(query.get("gpu", ALL), snapshot, recorded)))
    metrics = tuple(dict.fromkeys(_names(query.get("metric", ""))))
    known = _known_metrics(sources)
    if not metrics or not set(metrics) <= set(known):
        given = next((name for name in metrics if name not in known), "")
        raise ValueError(f"metric is {given!r}; it must be one or several of {', '.join(known)}")
    points = whole_number("points", query.get("points", str(DEFAULT_POINTS)), FEWEST_POINTS, MOST_POINTS)
    if len(sources) * len(metrics) * points > MOST_VALUES:
        wish = f"{len(sources)} sources with {len(metrics)} metrics of {points} points"
        raise ValueError(f"{wish} exceed {MOST_VALUES} points: name fewer, or lower `points`")
    form = query.get("format", "json")
    if form not in FORMATS:
        raise ValueError(f"format is {form!r}; it must be json or csv")
    return Wanted(sources, metrics, span_of(query, now), points, form == "csv")


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _sources(text: str, snapshot: Snapshot, recorded: Collection[str]) -> Iterator[str]:
    for name in _names(text) or [ALL]:
        if name == ALL:
            yield from (gpu.uuid for gpu in snapshot.gpus)
        elif name == HOST or name in recorded:
            yield name
        else:
            found = [gpu for gpu in snapshot.gpus if name in (gpu.uuid, str(gpu.index))]
            if not found:
                known = ", ".join(f"{gpu.index} ({gpu.uuid})" for gpu in snapshot.gpus) or "none"
                raise UnknownGpu(f"No GPU {name!r}. Known GPUs, by index and UUID: {known}; host is the host.")
            yield min(found, key=lambda gpu: gpu.state != "ok").uuid


def _known_metrics(sources: Collection[str]) -> list[str]:
    """Names that at least one of the sources has."""
    of_gpus = [metric.name for metric in GPU_METRICS] if set(sources) - {HOST} or not sources else []
    of_host = [metric.name for metric in HOST_METRICS] if HOST in sources else []
    return list(dict.fromkeys(of_gpus + of_host))


def read(wanted: Wanted, host: RecordedHost) -> HistoryAnswer:
    """Read the series from the history. Blocks: call it in a thread."""
    start, end = math.floor(wanted.span.start), math.ceil(wanted.span.end)
    series: list[Answer] = []
    for source in wanted.sources:
        known = _known_metrics((source,))
        metrics = [name for name in wanted.metrics if name in known]
        if metrics:
            series += stored(source, metrics, start, end, wanted.points, host_id=host.host_id)
    return HistoryAnswer(host=host.name, start=wanted.span.start, end=wanted.span.end, series=tuple(series))


def csv_rows(answer: HistoryAnswer, labels: Mapping[str, str]) -> Iterator[Sequence[Cell]]:
    """Rows below CSV_HEADER, one for each bucket and series. `labels`: the name of each source in its rows."""
    for each in answer.series:
        label = labels.get(each.source, each.source)
        for place, at in enumerate(each.time):
            figures = (each.low[place], each.mean[place], each.high[place])
            if figures != (None, None, None):
                time = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
                yield (time, label, each.metric, each.unit, *figures, each.seconds[place])
