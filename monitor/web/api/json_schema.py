"""The JSON Schema of what the sockets and the API send, with the schema's own docstrings as descriptions."""

from __future__ import annotations

import ast
import functools
import inspect
from types import ModuleType
from typing import Any

import msgspec

from monitor.fleet import host_summary
from monitor.history import queries
from monitor.live import frames, series
from monitor.live.frames import PageMessage
from monitor.telemetry.free import choice
from monitor.telemetry.free.choice import FreeGpus
from monitor.telemetry.schema import Snapshot, alert, gpu, host, snapshot
from monitor.usage import processes, reports
from monitor.web.api import alerts, free, health, history, hosts, usage, usage_processes
from monitor.web.api.alerts import Alerts
from monitor.web.api.free import FreeOnHosts
from monitor.web.api.health import Health
from monitor.web.api.history import HistoryAnswer
from monitor.web.api.hosts import Hosts
from monitor.web.api.usage import UsageReport
from monitor.web.api.usage_processes import UsageProcesses


def _field_docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    """Class → field → the string literal below the field."""
    docs: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        of_class = docs.setdefault(node.name, {})
        for field, below in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                of_class[field.target.id] = inspect.cleandoc(str(below.value.value))
    return docs


@functools.cache
def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12: `$defs` holds every struct; the root is the Snapshot, which `/ws/gpu` sends."""
    (root, *_), components = msgspec.json.schema_components(
        (
            Snapshot,
            PageMessage,
            Health,
            Alerts,
            FreeGpus,
            FreeOnHosts,
            HistoryAnswer,
            Hosts,
            UsageReport,
            UsageProcesses,
        ),
        ref_template="#/$defs/{name}",
    )
    docs: dict[str, dict[str, str]] = {}
    modules = (
        gpu, host, alert, snapshot, series, frames, health, alerts, choice, history, queries, reports, usage, processes,
        usage_processes, host_summary, hosts, free,
    )  # fmt: skip
    for module in modules:
        docs |= _field_docstrings(module)
    for name, component in components.items():
        for field, text in docs.get(name, {}).items():
            if field in component.get("properties", {}):
                component["properties"][field]["description"] = text
        # What we send has every field: unknown is null, never absent.
        if "properties" in component:
            component["required"] = list(component["properties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "gpumon", **root, "$defs": components}
