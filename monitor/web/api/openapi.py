"""The OpenAPI document of the JSON API: every address of the URL configuration, with what it takes and answers."""

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

from monitor.version import __version__
from monitor.web.api.alerts import DEFAULT_LIMIT, MOST
from monitor.web.api.json_schema import json_schema

_SCHEMAS = "#/components/schemas/"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The years 1 and 9999, which is what a time may be."""
_DESCRIPTION = """\
What docs/api.md tells in words. Unknown is null, never 0 and never absent; names carry their unit. GET and HEAD are taken,
any other method is answered 405; an error is JSON with the matching status. A server that is meant for its own machine alone
asks nobody to log in. The WebSockets `/ws/gpu`, whose messages are
Snapshots, and `/ws/dashboard`, whose messages are PageMessages, cannot be told of in OpenAPI."""


class Parameter(NamedTuple):
    """What an address takes in its query."""

    name: str
    description: str
    schema: dict[str, Any]


class Operation(NamedTuple):
    """What one address takes and answers, by status; the errors that every address may answer with come on top."""

    answers: dict[int, tuple[str, dict[str, Any]]]
    parameters: tuple[Parameter, ...] = ()
    is_open: bool = False
    """Answered without a login as well."""


def _a(name: str) -> dict[str, Any]:
    return {"$ref": f"{_SCHEMAS}{name}"}


_ERROR: dict[str, Any] = {
    "type": "object",
    "title": "Error",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What is wrong, and how to mend it."}},
}
_HEALTH: dict[str, Any] = {
    "anyOf": [
        _a("Health"),
        {
            "type": "object",
            "title": "Health for those who may not look",
            "required": ["status"],
            "properties": {"status": {"enum": ["ok", "degraded", "down"]}},
        },
    ]
}
_LOGINS: dict[str, Any] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token of the scope `read`: docs/access.md."},
    "session": {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
}
_SETTINGS: dict[str, Any] = {
    "type": "object",
    "title": "Settings",
    "required": ["settings"],
    "properties": {
        "settings": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "value", "source", "is_secret"],
                "properties": {
                    "name": {"type": "string", "description": "Of the variable."},
                    "value": {"description": "In force now; null where none is set, and for a secret always."},
                    "source": {"enum": ["environment", ".env", "admin", "default"]},
                    "is_secret": {"type": "boolean", "description": "Its value is never told."},
                },
            },
        }
    },
}
_EVERYWHERE: dict[int, tuple[str, dict[str, Any]]] = {
    400: ("The host name is not one of this server's, or a parameter makes no sense.", _a("Error")),
    401: ("It asks for a login, or for a token that is known and neither revoked nor expired.", _a("Error")),
    403: ("The token has not the scope for it.", _a("Error")),
    405: ("It can only be read: use GET.", _a("Error")),
    429: ("Too many requests from this address: Retry-After tells when to come again.", _a("Error")),
}
OPERATIONS = {
    "health": Operation(
        {
            200: ("Readings are fresh.", _HEALTH),
            503: ("Readings are stale, or no provider answers.", _HEALTH),
        },
        is_open=True,
    ),
    "api-alerts": Operation(
        {
            200: ("The alerts.", _a("Alerts")),
            503: ("The database does not give the history.", _a("Error")),
        },
        (
            Parameter("state", "Which alerts; history is given for resolved and all.",
                      {"enum": ["open", "resolved", "all"], "default": "open"}),
            Parameter("since", "Unix seconds: of the history what fired then or later. Not with state=open.",
                      {"type": "number", "minimum": _FIRST_SECOND, "maximum": _LAST_SECOND}),
            Parameter("limit", "At most so many of the history. Not with state=open.",
                      {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT}),
        ),
    ),
    "config": Operation({200: ("The settings.", _a("Settings"))}),
    "snapshot": Operation(
        {
            200: ("The snapshot, or with ?gpu= that GPU.", {"anyOf": [_a("Snapshot"), _a("Gpu")]}),
            404: ("There is no such GPU.", _a("Error")),
            503: ("The first reading is on its way.", _a("Error")),
        },
        (Parameter("gpu", "Index or UUID of a GPU.", {"type": "string"}),),
    ),
    "schema": Operation({200: ("JSON Schema 2020-12; its root is the Snapshot.", {"type": "object"})}),
    "openapi": Operation({200: ("This document.", {"type": "object"})}),
}  # fmt: skip
"""By the names of the URL configuration. An address without an entry here fails tests/web/api/test_openapi.py."""


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
    """OpenAPI 3.1. `server_url` is what stands before each path: "/", or the path that the site is served below."""
    return {**_document(), "servers": [{"url": server_url}]}


@functools.cache
def _document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "gpumon", "version": __version__, "description": _DESCRIPTION, "license": {"name": "MIT"}},
        "paths": {f"/{_path(route)}": _operation(pattern) for route, pattern in api_addresses()},
        "components": {"schemas": {**_structs(), "Error": _ERROR, "Settings": _SETTINGS}, "securitySchemes": _LOGINS},
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
                {"name": each.name, "in": "query", "description": each.description, "schema": each.schema}
                for each in operation.parameters
            ],
            "responses": {
                str(status): {
                    "description": description,
                    "content": {"application/json": {"schema": schema}},
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
