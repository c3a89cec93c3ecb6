"""The OpenAPI document of the JSON API, from the URL configuration."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from monitor.telemetry.free.wanted import DURATION, MOST_GPUS, SIZE
from monitor.usage.reports import GROUPINGS
from monitor.version import __version__
from monitor.web.api.alerts import DEFAULT_LIMIT, MOST
from monitor.web.api.history import DEFAULT_POINTS, FEWEST_POINTS, FORMATS, MOST_POINTS
from monitor.web.api.json_schema import json_schema
from monitor.web.api.usage_processes import DEFAULT_PROCESSES, MOST_PROCESSES
from monitor.web.span import NAMES
from monitor.web.usage.span import DEFAULT, RANGES

_SCHEMAS = "#/components/schemas/"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The years 1 and 9999, which is what a time may be."""
_DESCRIPTION = """\
See docs/api.md for an introduction. Unknown values are null, never 0 and never absent; names carry their unit. Methods other
than GET and HEAD get 405; an error is JSON with the matching status. A server that is reachable only from its own host requires
no login. OpenAPI cannot describe WebSockets: `/ws/gpu` sends Snapshots, and `/ws/dashboard` sends PageMessages."""


class Parameter(NamedTuple):
    """A query parameter."""

    name: str
    description: str
    schema: dict[str, Any]
    is_required: bool = False


class Operation(NamedTuple):
    """Responses of an address by status, and its parameters; errors common to all addresses are added."""

    answers: dict[int, tuple[str, dict[str, Any]]]
    parameters: tuple[Parameter, ...] = ()
    is_open: bool = False
    """Needs no login."""
    also: str = ""
    """A media type in which it also answers, as the parameter `format` says."""


def _a(name: str) -> dict[str, Any]:
    return {"$ref": f"{_SCHEMAS}{name}"}


def _matching(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern})$", "default": "0"}


_ERROR: dict[str, Any] = {
    "type": "object",
    "title": "Error",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What is wrong and how to fix it."}},
}
_HEALTH_STATUS: dict[str, Any] = {
    "type": "object",
    "title": "Health for others than viewers",
    "required": ["status"],
    "properties": {"status": {"type": "string", "enum": ["ok", "degraded", "down"]}},
}
_FREE: dict[str, Any] = {"anyOf": [_a("FreeGpus"), _a("FreeOnHosts")]}
_HEALTH: dict[str, Any] = {"anyOf": [_a("Health"), _a("HealthStatus")]}
_LOGINS: dict[str, Any] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token of the scope `read`: docs/access.md."},
    "session": {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
}
_SETTINGS: dict[str, Any] = {
    "type": "object",
    "title": "Settings",
    "required": ["settings", "time_zone"],
    "properties": {
        "time_zone": {"type": "string", "description": "The zone of quiet hours and of times in messages."},
        "settings": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "value", "source", "is_secret"],
                "properties": {
                    "name": {"type": "string", "description": "Name of the variable."},
                    "value": {"description": "The effective value; null if unset, and always for a secret."},
                    "source": {"type": "string", "enum": ["environment", ".env", "admin", "default"]},
                    "is_secret": {"type": "boolean", "description": "Its value is not shown to you."},
                },
            },
        },
    },
}
_EVERYWHERE: dict[int, tuple[str, dict[str, Any]]] = {
    400: ("The host name is unknown, or a parameter is invalid.", _a("Error")),
    401: ("A login, or a token that is neither revoked nor expired, is required.", _a("Error")),
    403: ("The token lacks the required scope.", _a("Error")),
    405: ("Read-only: use GET.", _a("Error")),
    429: ("Too many requests from this address; see Retry-After.", _a("Error")),
}
OPERATIONS = {
    "health": Operation(
        {
            200: ("Readings are fresh.", _HEALTH),
            503: ("Readings are stale, or no data source responds.", _HEALTH),
        },
        is_open=True,
    ),
    "api-alerts": Operation(
        {
            200: ("The alerts.", _a("Alerts")),
            404: ("No such host.", _a("Error")),
            503: ("The alert history is unavailable.", _a("Error")),
        },
        (
            Parameter("host", "Name or ID of a host: its alerts only.", {"type": "string"}),
            Parameter("state", "Which alerts; resolved and all include the history.",
                      {"enum": ["open", "resolved", "all"], "default": "open"}),
            Parameter("since", "Unix seconds: only alerts of the history that fired at or after this time. Not with state=open.",
                      {"type": "number", "minimum": _FIRST_SECOND, "maximum": _LAST_SECOND}),
            Parameter("limit", "Maximum number of alerts of the history. Not with state=open.",
                      {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT}),
        ),
    ),
    "api-free": Operation(
        {
            200: ("Enough free GPUs.", _FREE),
            404: ("No such host.", _a("Error")),
            409: ("Too few free GPUs; `reason` says why.", _FREE),
            503: ("No reading yet, or the readings are stale.", _a("Error")),
        },
        (
            Parameter("count", "How many GPUs.", {"type": "integer", "minimum": 1, "maximum": MOST_GPUS, "default": 1}),
            Parameter("memory", "Least free memory of each, with its unit: 20GiB.", _matching(SIZE)),
            Parameter("idle_for", "How long each has been free at least: 60, 60s, 5min or 1h.", _matching(DURATION)),
            Parameter("host", "Name or ID of a host of /api/hosts, by default the one that answers; all: every host, each with its "
                              "free GPUs, as FreeOnHosts.", {"type": "string"}),
            Parameter("exclude", "Indexes and UUIDs of GPUs that are not wanted, separated by commas.", {"type": "string"}),
            Parameter("format", "text: only the value of CUDA_VISIBLE_DEVICES. By default as the header Accept prefers.",
                      {"enum": ["json", "text"]}),
        ),
        also="text/plain",
    ),
    "api-history": Operation(
        {
            200: ("The series.", _a("HistoryAnswer")),
            404: ("No such host or GPU.", _a("Error")),
            503: ("No reading yet, or the history is unavailable.", _a("Error")),
        },
        (
            Parameter("host", "Name or ID of a host, also of one that was deleted; by default the host that answers.",
                      {"type": "string"}),
            Parameter("gpu", "Indexes or UUIDs of GPUs, host, or all, separated by commas.", {"type": "string", "default": "all"}),
            Parameter("metric", "Names of metrics, separated by commas; an unknown one is answered with the known ones.",
                      {"type": "string"}, is_required=True),
            Parameter("range", "A span that ends now. Not with from and to.", {"enum": list(NAMES), "default": "1h"}),
            Parameter("from", "Start: Unix seconds or ISO 8601.", {"type": "string"}),
            Parameter("to", "End: Unix seconds or ISO 8601; now if absent.", {"type": "string"}),
            Parameter("points", "Maximum number of points of a series.",
                      {"type": "integer", "minimum": FEWEST_POINTS, "maximum": MOST_POINTS, "default": DEFAULT_POINTS}),
            Parameter("format", "json, or csv for a file.", {"enum": list(FORMATS), "default": "json"}),
        ),
        also="text/csv",
    ),
    "api-usage": Operation(
        {
            200: ("The usage of the span.", _a("UsageReport")),
            404: ("No such host.", _a("Error")),
            503: ("The usage ledger cannot be read.", _a("Error")),
        },
        (
            Parameter("host", "Name or ID of a host, also of one that was deleted; by default all.", {"type": "string"}),
            Parameter("range", "A span that ends now, or a calendar month of the time zone. Not with from and to.",
                      {"enum": list(RANGES), "default": DEFAULT}),
            Parameter("from", "Begin of the span: a day (2026-11-26), ISO 8601, or Unix seconds.", {"type": "string"}),
            Parameter("to", "End of the span; a day counts as a whole. By default now.", {"type": "string"}),
            Parameter("by", "What the rows stand for.", {"enum": list(GROUPINGS), "default": "user"}),
            Parameter("format", "csv: a table for spreadsheets, in hours and kilowatt-hours.",
                      {"enum": list(FORMATS), "default": "json"}),
        ),
        also="text/csv",
    ),
    "api-usage-processes": Operation(
        {
            200: ("The processes, the last seen first.", _a("UsageProcesses")),
            404: ("No such host.", _a("Error")),
            503: ("The usage ledger cannot be read.", _a("Error")),
        },
        (
            Parameter("range", "A span that ends now, or a calendar month of the time zone. Not with from and to.",
                      {"enum": list(RANGES), "default": DEFAULT}),
            Parameter("from", "Begin of the span: a day (2026-11-26), ISO 8601, or Unix seconds.", {"type": "string"}),
            Parameter("to", "End of the span; a day counts as a whole. By default now.", {"type": "string"}),
            Parameter("gpu", "UUID of a GPU, also of one that the host no longer has.", {"type": "string"}),
            Parameter("limit", "Maximum number of processes.",
                      {"type": "integer", "minimum": 1, "maximum": MOST_PROCESSES, "default": DEFAULT_PROCESSES}),
        ),
    ),
    "api-hosts": Operation({200: ("The hosts.", _a("Hosts"))}),
    "config": Operation({200: ("The settings.", _a("Settings"))}),
    "snapshot": Operation(
        {
            200: ("The snapshot, or one GPU with ?gpu=.", {"anyOf": [_a("Snapshot"), _a("Gpu")]}),
            404: ("No such GPU, or no such host.", _a("Error")),
            503: ("No reading yet.", _a("Error")),
        },
        (
            Parameter("gpu", "Index or UUID of a GPU.", {"type": "string"}),
            Parameter("host", "Name or ID of a host of /api/hosts. By default the one that answers.", {"type": "string"}),
        ),
    ),
    "schema": Operation({200: ("JSON Schema 2020-12; its root is the Snapshot.", {"type": "object"})}),
    "openapi": Operation({200: ("This document.", {"type": "object"})}),
}  # fmt: skip
"""By name in the URL configuration. A test requires an entry for each address."""


def api_addresses(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Route and pattern of each address under api/, from the URL configuration in use."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            if route.startswith("api/") or "api/".startswith(route):
                yield from api_addresses(entry, route)
        elif route.startswith("api/"):
            yield route, entry


def openapi(server_url: str) -> dict[str, Any]:
    """OpenAPI 3.1. `server_url` is the prefix of each path: "/", or the base path of the site."""
    return {**_document(), "servers": [{"url": server_url}]}


@functools.cache
def _document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "gpumon", "version": __version__, "description": _DESCRIPTION, "license": {"name": "MIT"}},
        "paths": {f"/{_path(route)}": _operation(pattern) for route, pattern in api_addresses()},
        "components": {
            "schemas": {**_structs(), "Error": _ERROR, "HealthStatus": _HEALTH_STATUS, "Settings": _SETTINGS},
            "securitySchemes": _LOGINS,
        },
    }


def _path(route: str) -> str:
    return _PARAMETER.sub(r"{\1}", route)


def _operation(pattern: URLPattern) -> dict[str, Any]:
    name = str(pattern.name)
    operation = OPERATIONS[name]
    answers = operation.answers | _EVERYWHERE
    return {
        "get": {
            "operationId": name,
            "summary": (inspect.getdoc(pattern.callback) or "").partition("\n")[0],
            "security": [*({name: []} for name in _LOGINS), *([{}] if operation.is_open else [])],
            "parameters": [
                {
                    "name": each.name,
                    "in": "query",
                    "description": each.description,
                    "schema": each.schema,
                    **({"required": True} if each.is_required else {}),
                }
                for each in operation.parameters
            ],
            "responses": {
                str(status): {
                    "description": description,
                    "content": {
                        "application/json": {"schema": schema},
                        **({operation.also: {"schema": {"type": "string"}}} if operation.also else {}),
                    },
                }
                for status, (description, schema) in sorted(answers.items())
            },
        }
    }


def _structs() -> dict[str, Any]:
    """The structs of /api/schema, with references as OpenAPI has them."""
    text = msgspec.json.encode(json_schema()["$defs"]).decode()
    structs: dict[str, Any] = json.loads(text.replace('"#/$defs/', f'"{_SCHEMAS}'))
    return structs
